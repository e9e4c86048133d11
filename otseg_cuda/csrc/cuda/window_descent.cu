// otseg::window_descent on CUDA: all iterations of a batch in one launch. The reference is otseg/ops/window_descent.py.

#include "launch.cuh"
#include "window_plan.cuh"

#include <algorithm>
#include <limits>
#include <optional>
#include <tuple>

namespace otseg {
namespace {

using torch::headeronly::ScalarType;

template <class T>
T* data(const Tensor& x) {
  return static_cast<T*>(x.data_ptr());
}

template <class T>
void run(const Tensor& cost, WindowDescent<T>& args) {
  constexpr int threads = THREADS<T>;
  const void* kernel = reinterpret_cast<const void*>(&window_kernel<T>);
  const Device device = device_of(kernel);
  const auto resident = [&](size_t memory) { return resident_blocks(kernel, threads, memory); };
  const WindowPlan plan = plan_window<T>(args.problems, args.n, args.k, threads, device, resident);
  STD_TORCH_CHECK(plan.teams >= 1, "`cost` has too many actions for this device.");
  STD_TORCH_CHECK(plan.rows * args.k <= std::numeric_limits<int32_t>::max(), "`cost` is too large for this device.");
  const cudaStream_t stream = current_stream(cost);
  const Tensor work = torch::stable::new_empty(cost, {int64_t(plan.bytes())}, ScalarType::Byte);
  const Tensor arrivals = torch::stable::new_empty(cost, {plan.teams}, ScalarType::Int);
  apply(plan, data<unsigned char>(work), data<unsigned>(arrivals), args);
  if (plan.blocks > 1 && !plan.cluster)
    OTSEG_CUDA(cudaMemsetAsync(args.arrivals, 0, plan.teams * sizeof(unsigned), stream));
  launch_teams(kernel, plan.teams, plan.blocks, threads, plan.memory, plan.cluster, stream, &args);
}

template <class T>
void solve(const Tensor& cost, const Tensor* dense, const Tensor& half_width, const std::optional<Tensor>& init,
           const std::optional<Tensor>& step, int64_t max_iter, std::optional<double> tol, bool trace,
           const Tensor* out, const Tensor& n_iter) {
  WindowDescent<T> args = {};
  args.cost = data<T>(cost);
  const T** inputs[] = {&args.a, &args.b, &args.epsilon, &args.rho_a, &args.rho_b, &args.weight, &args.curvature};
  for (int i = 0; i < 7; ++i) *inputs[i] = data<T>(dense[i]);
  args.half_width = data<int64_t>(half_width);
  args.init = init ? data<T>(*init) : nullptr;
  args.step = step ? data<T>(*step) : nullptr;
  for (int axis = 0; axis < 3; ++axis) {
    args.strides[axis] = cost.stride(axis);
    args.init_strides[axis] = init ? init->stride(axis) : 0;
  }
  args.problems = cost.size(0);
  args.n = cost.size(1);
  args.k = int(cost.size(2));
  args.max_iter = max_iter;
  args.test = tol.has_value();
  args.tol = tol.value_or(0);
  args.trace = trace;
  T** outputs[] = {&args.plan, &args.f, &args.g, &args.objective, &args.error, &args.history};
  for (int i = 0; i < 6; ++i) *outputs[i] = data<T>(out[i]);
  args.n_iter = data<int64_t>(n_iter);
  run<T>(cost, args);
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> window_descent(
    const Tensor& cost, const Tensor& a, const Tensor& b, const Tensor& epsilon, const Tensor& rho_a,
    const Tensor& rho_b, const Tensor& weight, const Tensor& half_width, const Tensor& curvature,
    std::optional<Tensor> init, std::optional<Tensor> step, int64_t max_iter, std::optional<double> tol, bool trace) {
  const auto dtype = cost.scalar_type();
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double, "`cost` must be float32 or float64.");
  STD_TORCH_CHECK(cost.dim() == 3 && cost.size(1) > 0 && cost.size(2) > 0, "`cost` must be of shape (B, N, K).");
  STD_TORCH_CHECK(max_iter >= 0, "`max_iter` must be at least 0; got ", max_iter, ".");
  const int64_t size = cost.size(0), n = cost.size(1), k = cost.size(2);
  STD_TORCH_CHECK(std::max({size, n, k}) < (int64_t(1) << 30), "`cost` must have fewer than 2^30 of each.");
  check_beside("cost", cost, cost, "cost");
  check_shape("a", a, {size, n});
  check_shape("b", b, {size, k});
  check_beside("a", a, cost, "cost");
  check_beside("b", b, cost, "cost");
  const Tensor* settings[] = {&epsilon, &rho_a, &rho_b, &weight, &curvature};
  const char* names[] = {"epsilon", "rho_a", "rho_b", "weight", "curvature"};
  for (int i = 0; i < 5; ++i) {
    check_shape(names[i], *settings[i], {size});
    check_beside(names[i], *settings[i], cost, "cost");
  }
  check_shape("half_width", half_width, {size});
  STD_TORCH_CHECK(half_width.scalar_type() == ScalarType::Long && half_width.get_device() == cost.get_device(),
                  "`half_width` must be int64, on the device of `cost`.");
  if (init) {
    check_shape("init", *init, {size, n, k});
    check_beside("init", *init, cost, "cost");
  }
  if (step) {
    check_shape("step", *step, {size});
    check_beside("step", *step, cost, "cost");
    step = packed(*step);
  }
  const torch::stable::accelerator::DeviceGuard guard(cost.get_device());
  const Tensor dense[] = {packed(a),     packed(b),      packed(epsilon),  packed(rho_a),
                          packed(rho_b), packed(weight), packed(curvature)};
  const Tensor width = packed(half_width);
  const Tensor out[] = {torch::stable::new_empty(cost, {size, n, k}), torch::stable::new_empty(cost, {size, n}),
                        torch::stable::new_empty(cost, {size, k}),    torch::stable::new_empty(cost, {size}),
                        torch::stable::new_empty(cost, {size}),
                        torch::stable::new_empty(cost, {size, trace ? max_iter + 1 : 0})};
  Tensor n_iter = torch::stable::new_empty(cost, {size}, ScalarType::Long);
  if (size > 0) {
    if (dtype == ScalarType::Float)
      solve<float>(cost, dense, width, init, step, max_iter, tol, trace, out, n_iter);
    else
      solve<double>(cost, dense, width, init, step, max_iter, tol, trace, out, n_iter);
  }
  return {out[0], out[1], out[2], out[3], out[4], n_iter, out[5]};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(otseg, CUDA, m) { m.impl("window_descent", TORCH_BOX(&window_descent)); }

}  // namespace otseg
