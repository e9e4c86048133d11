// otseg::window_descent on the CPU: all iterations of a batch in one call. Its reference: otseg/ops/window_descent.py.
//
// An iteration is two passes. The first goes over strips of frames, all actions of a strip while it is in the cache:
// gradient, new log density, one exponential per entry, projection of the rows, sums of the columns, and the linear and
// entropic terms of the objective. The second goes over the actions: window sums of the new plan by running sums,
// carried in double, and with them the quadratic term. Then the problem accepts the plan, by a swap of two pointers, or
// keeps the old one, and adapts its step.
//
// Vectors hold frames that are far apart, so that no sum goes across lanes, see window_descent_layout.h. Frames without
// mass at the end of a sequence, its padding, take no part. Sums are made in an order that depends on the frames with
// mass and on the number of actions alone.

#if !defined(__GNUC__)
#error "The kernels need GCC or Clang."
#endif

#include "common.h"
#include "crew.h"
#include "cpu_features.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <tuple>
#include <type_traits>

namespace otseg {
namespace {

// As in otseg/ops/step_rule.py and otseg/ops/sinkhorn.py.
constexpr double GROW = 2, GENTLE = 1.2, SHRINK = 0.25, START = 8, CEILING = 1e4, ROUNDING = 16;
constexpr int64_t TEST_EVERY = 10;

struct Batch {
  const void *cost, *a, *b, *epsilon, *rho_a, *rho_b, *weight, *curvature, *init, *step;
  const int64_t* half_width;
  int64_t n, k, cost_strides[3], init_strides[3], max_iter;
  std::optional<double> tol;
  void *plan, *f, *g, *objective, *error, *trace;
  int64_t* n_iter;
};

#define OTSEG_LOOP "window_descent_loop.h"
#include "targets.h"

using Seven = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;

Seven window_descent(const Tensor& cost, const Tensor& a, const Tensor& b, const Tensor& epsilon, const Tensor& rho_a,
                     const Tensor& rho_b, const Tensor& weight, const Tensor& half_width, const Tensor& curvature,
                     std::optional<Tensor> init, std::optional<Tensor> step, int64_t max_iter,
                     std::optional<double> tol, bool trace) {
  using torch::headeronly::ScalarType;
  const auto dtype = cost.scalar_type();
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double, "`cost` must be float32 or float64.");
  STD_TORCH_CHECK(cost.dim() == 3 && cost.size(1) > 0 && cost.size(2) > 0, "`cost` must be of shape (B, N, K).");
  STD_TORCH_CHECK(max_iter >= 0, "`max_iter` must be at least 0; got ", max_iter, ".");
  const int64_t size = cost.size(0), n = cost.size(1), k = cost.size(2);
  check_shape("a", a, {size, n});
  check_shape("b", b, {size, k});
  const std::pair<const char*, const Tensor*> settings[] = {
      {"epsilon", &epsilon}, {"rho_a", &rho_a}, {"rho_b", &rho_b}, {"weight", &weight}, {"curvature", &curvature}};
  for (const auto& [name, tensor] : settings) {
    check_shape(name, *tensor, {size});
    check_like(name, *tensor, cost);
  }
  check_like("a", a, cost);
  check_like("b", b, cost);
  check_shape("half_width", half_width, {size});
  STD_TORCH_CHECK(half_width.is_cpu() && half_width.scalar_type() == ScalarType::Long, "`half_width` must be int64.");
  if (init) {
    check_shape("init", *init, {size, n, k});
    check_like("init", *init, cost);
  }
  if (step) {
    check_shape("step", *step, {size});
    check_like("step", *step, cost);
    step = packed(*step);
  }
  const Tensor dense[] = {packed(a),     packed(b),      packed(epsilon),   packed(rho_a),
                          packed(rho_b), packed(weight), packed(curvature), packed(half_width)};
  Tensor plan = torch::stable::new_empty(cost, {size, n, k});
  Tensor f = torch::stable::new_empty(cost, {size, n}), g = torch::stable::new_empty(cost, {size, k});
  Tensor objective = torch::stable::new_empty(cost, {size}), error = torch::stable::new_empty(cost, {size});
  Tensor n_iter = torch::stable::new_empty(cost, {size}, ScalarType::Long);
  Tensor history = torch::stable::new_empty(cost, {size, trace ? max_iter + 1 : 0});
  Batch batch = {};
  batch.cost = cost.data_ptr();
  batch.a = dense[0].data_ptr(), batch.b = dense[1].data_ptr(), batch.epsilon = dense[2].data_ptr();
  batch.rho_a = dense[3].data_ptr(), batch.rho_b = dense[4].data_ptr(), batch.weight = dense[5].data_ptr();
  batch.curvature = dense[6].data_ptr();
  batch.half_width = static_cast<const int64_t*>(dense[7].data_ptr());
  batch.init = init ? init->data_ptr() : nullptr;
  batch.step = step ? step->data_ptr() : nullptr;
  batch.n = n, batch.k = k, batch.max_iter = max_iter, batch.tol = tol;
  for (int i = 0; i < 3; ++i) {
    batch.cost_strides[i] = cost.stride(i);
    batch.init_strides[i] = init ? init->stride(i) : 0;
  }
  batch.plan = plan.data_ptr(), batch.f = f.data_ptr(), batch.g = g.data_ptr();
  batch.objective = objective.data_ptr(), batch.error = error.data_ptr();
  batch.trace = trace ? history.data_ptr() : nullptr;
  batch.n_iter = static_cast<int64_t*>(n_iter.data_ptr());
  const auto solve = OTSEG_BEST(solve_range, dtype);
  // Many problems, or small ones: threads share the batch. Few long ones: they share the frames of each.
  const int64_t threads = torch::stable::get_num_threads();
  if (size >= 4 * threads || n * k <= 16384) {
    torch::stable::parallel_for(0, size, std::max<int64_t>(1, 2048 / (n * k)),
                                [&](int64_t begin, int64_t end) {
                                  Crew alone;
                                  solve(batch, begin, end, &alone);
                                });
  } else {
    Crew::lead([&](Crew& crew) { solve(batch, 0, size, &crew); });
  }
  return {plan, f, g, objective, error, n_iter, history};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(otseg, CPU, m) { m.impl("window_descent", TORCH_BOX(&window_descent)); }

}  // namespace otseg
