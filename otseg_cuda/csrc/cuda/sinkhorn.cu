// otseg::sinkhorn_sweeps on CUDA: the whole loop of a batch in one launch. The reference is otseg/ops/sinkhorn.py.

#include "launch.cuh"
#include "sinkhorn_plan.cuh"

#include <algorithm>
#include <optional>
#include <tuple>

namespace otseg {
namespace {

using torch::headeronly::ScalarType;

template <class T>
const void* kernel_of(int lanes) {
  switch (lanes) {
    case 2: return reinterpret_cast<const void*>(&sinkhorn_kernel<T, 2>);
    case 4: return reinterpret_cast<const void*>(&sinkhorn_kernel<T, 4>);
    case 8: return reinterpret_cast<const void*>(&sinkhorn_kernel<T, 8>);
    default: return reinterpret_cast<const void*>(&sinkhorn_kernel<T, 32>);
  }
}

template <class T>
void run(const Tensor& score, Sinkhorn<T>& args) {
  constexpr int threads = THREADS<T>;
  const void* kernel = kernel_of<T>(lanes_for(args.k));
  const Device device = device_of(kernel);
  const auto resident = [&](size_t memory) { return resident_blocks(kernel, threads, memory); };
  const SinkhornPlan plan = plan_sinkhorn<T>(args.problems, args.n, args.k, threads, device, resident);
  STD_TORCH_CHECK(plan.teams >= 1, "`score` has too many columns for this device.");
  const cudaStream_t stream = current_stream(score);
  const Tensor work = torch::stable::new_empty(score, {int64_t(plan.bytes())}, ScalarType::Byte);
  const Tensor arrivals = torch::stable::new_empty(score, {plan.teams}, ScalarType::Int);
  apply(plan, static_cast<unsigned char*>(work.data_ptr()), static_cast<unsigned*>(arrivals.data_ptr()), args);
  if (plan.blocks > 1 && !plan.cluster)
    OTSEG_CUDA(cudaMemsetAsync(args.arrivals, 0, plan.teams * sizeof(unsigned), stream));
  launch_teams(kernel, plan.teams, plan.blocks, threads, plan.memory, plan.cluster, stream, &args);
}

template <class T>
T* data(const Tensor& x) {
  return static_cast<T*>(x.data_ptr());
}

template <class T>
void solve(const Tensor& score, const Tensor* dense, int64_t max_iter, std::optional<double> tol, bool translate,
           const Tensor& f_out, const Tensor& g_out, const Tensor& n_iter, const Tensor& error) {
  Sinkhorn<T> args = {};
  args.score = data<T>(score);
  args.a = data<T>(dense[0]);
  args.b = data<T>(dense[1]);
  args.slope_a = data<T>(dense[2]);
  args.slope_b = data<T>(dense[3]);
  args.f = data<T>(dense[4]);
  for (int axis = 0; axis < 3; ++axis) args.strides[axis] = score.stride(axis);
  args.problems = score.size(0);
  args.n = score.size(1);
  args.k = int(score.size(2));
  args.max_iter = max_iter;
  args.test = tol.has_value();
  args.tol = tol.value_or(0);
  args.translate = translate;
  args.f_out = data<T>(f_out);
  args.g_out = data<T>(g_out);
  args.error = data<T>(error);
  args.n_iter = data<int64_t>(n_iter);
  run<T>(score, args);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> sinkhorn_sweeps(const Tensor& score, const Tensor& a, const Tensor& b,
                                                           const Tensor& slope_a, const Tensor& slope_b,
                                                           const Tensor& f, int64_t max_iter,
                                                           std::optional<double> tol, bool translate) {
  const auto dtype = score.scalar_type();
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double, "`score` must be float32 or float64.");
  STD_TORCH_CHECK(score.dim() == 3 && score.size(1) > 0 && score.size(2) > 0, "`score` must be of shape (B, N, K).");
  STD_TORCH_CHECK(max_iter >= 1, "`max_iter` must be at least 1; got ", max_iter, ".");
  const int64_t size = score.size(0), n = score.size(1), k = score.size(2);
  STD_TORCH_CHECK(std::max({size, n, k}) < (int64_t(1) << 30), "`score` must have fewer than 2^30 of each.");
  check_shape("a", a, {size, n});
  check_shape("b", b, {size, k});
  check_shape("slope_a", slope_a, {size});
  check_shape("slope_b", slope_b, {size});
  check_shape("f", f, {size, n});
  check_beside("score", score, score, "score");
  check_beside("a", a, score, "score");
  check_beside("b", b, score, "score");
  check_beside("slope_a", slope_a, score, "score");
  check_beside("slope_b", slope_b, score, "score");
  check_beside("f", f, score, "score");
  const torch::stable::accelerator::DeviceGuard guard(score.get_device());
  const Tensor dense[] = {packed(a), packed(b), packed(slope_a), packed(slope_b), packed(f)};
  Tensor f_out = torch::stable::new_empty(score, {size, n}), g_out = torch::stable::new_empty(score, {size, k});
  Tensor error = torch::stable::new_empty(score, {size});
  Tensor n_iter = torch::stable::new_empty(score, {size}, ScalarType::Long);
  if (size > 0) {
    if (dtype == ScalarType::Float)
      solve<float>(score, dense, max_iter, tol, translate, f_out, g_out, n_iter, error);
    else
      solve<double>(score, dense, max_iter, tol, translate, f_out, g_out, n_iter, error);
  }
  return {f_out, g_out, n_iter, error};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(otseg, CUDA, m) { m.impl("sinkhorn_sweeps", TORCH_BOX(&sinkhorn_sweeps)); }

}  // namespace otseg
