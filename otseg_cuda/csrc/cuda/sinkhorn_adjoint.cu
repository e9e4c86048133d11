// otseg::sinkhorn_adjoint on CUDA: the implicit gradient of a batch in seven launches, whatever its size. The reference
// is otseg/ops/sinkhorn_gradient.py.

#include "launch.cuh"
#include "sinkhorn_adjoint_plan.cuh"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace otseg {
namespace {

using torch::headeronly::ScalarType;

template <class T>
void differentiate(const Tensor& score, const Tensor* dense, bool wants_tau, const Tensor* made) {
  const auto in = [&](int i) { return static_cast<const T*>(dense[i].data_ptr()); };
  const auto out = [&](int i) { return static_cast<T*>(made[i].data_ptr()); };
  Adjoint<T> args = {};
  args.score = static_cast<const T*>(score.data_ptr());
  args.out = out(0);
  for (int axis = 0; axis < 3; ++axis) {
    args.strides[axis] = score.stride(axis);
    args.out_strides[axis] = made[0].stride(axis);
  }
  args.rows = {in(0), in(2), in(4), in(6), out(1), out(3)};
  args.columns = {in(1), in(3), in(5), in(7), out(2), out(4)};
  args.problems = score.size(0);
  args.n = score.size(1);
  int64_t k = score.size(2);
  if (args.n < k) {  // the system is that of the smaller side
    std::swap(args.n, k);
    std::swap(args.rows, args.columns);
    std::swap(args.strides[1], args.strides[2]);
    std::swap(args.out_strides[1], args.out_strides[2]);
  }
  STD_TORCH_CHECK(k <= MOST_COLUMNS, "`score` must have at most ", MOST_COLUMNS, " rows or columns; got ", k, ".");
  args.k = int(k);
  args.wants_tau = wants_tau;
  const Device device = device_of(reinterpret_cast<const void*>(&adjoint_solve_kernel<T>));
  const AdjointPlan plan = plan_adjoint<T>(args.problems, args.n, k, device);
  STD_TORCH_CHECK(std::max(plan.product.blocks, plan.matrix.blocks) <= std::numeric_limits<int32_t>::max(),
                  "`score` is too large for one call.");
  const Tensor work = torch::stable::new_empty(score, {int64_t(plan.bytes())}, ScalarType::Byte);
  apply(plan, static_cast<unsigned char*>(work.data_ptr()), args);
  const cudaStream_t stream = current_stream(score);
  launch_adjoint<T>(plan, [&](auto* kernel, int64_t blocks, size_t memory) {
    launch_teams(reinterpret_cast<const void*>(kernel), int(blocks), 1, ADJOINT_THREADS, memory, false, stream, &args);
  });
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> sinkhorn_adjoint(const Tensor& score, const Tensor& log_a,
                                                                    const Tensor& log_b, const Tensor& tau_a,
                                                                    const Tensor& tau_b, const Tensor& f,
                                                                    const Tensor& g, const Tensor& grad_f,
                                                                    const Tensor& grad_g, bool wants_tau) {
  const auto dtype = score.scalar_type();
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double, "`score` must be float32 or float64.");
  STD_TORCH_CHECK(score.dim() == 3 && score.size(1) > 0 && score.size(2) > 0, "`score` must be of shape (B, N, K).");
  const int64_t size = score.size(0), n = score.size(1), k = score.size(2);
  STD_TORCH_CHECK(std::max({size, n, k}) < (int64_t(1) << 30), "`score` must have fewer than 2^30 of each.");
  check_beside("score", score, score, "score");
  const torch::stable::accelerator::DeviceGuard guard(score.get_device());
  const Tensor* given[] = {&log_a, &log_b, &tau_a, &tau_b, &f, &g, &grad_f, &grad_g};
  const char* names[] = {"log_a", "log_b", "tau_a", "tau_b", "f", "g", "grad_f", "grad_g"};
  Tensor dense[8];
  for (int i = 0; i < 8; ++i) {
    if (i == 2 || i == 3)
      check_shape(names[i], *given[i], {size});
    else
      check_shape(names[i], *given[i], {size, i % 2 == 0 ? n : k});
    check_beside(names[i], *given[i], score, "score");
    dense[i] = packed(*given[i]);
  }
  const Tensor made[] = {torch::stable::new_empty(score, {size, n, k}), torch::stable::new_empty(score, {size, n}),
                         torch::stable::new_empty(score, {size, k}), torch::stable::new_empty(score, {size}),
                         torch::stable::new_empty(score, {size})};
  if (size > 0) {
    if (dtype == ScalarType::Float)
      differentiate<float>(score, dense, wants_tau, made);
    else
      differentiate<double>(score, dense, wants_tau, made);
  }
  return {made[0], made[1], made[2], made[3], made[4]};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(otseg, CUDA, m) { m.impl("sinkhorn_adjoint", TORCH_BOX(&sinkhorn_adjoint)); }

}  // namespace otseg
