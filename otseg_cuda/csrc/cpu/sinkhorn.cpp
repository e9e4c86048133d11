// otseg::sinkhorn_sweeps on the CPU: the whole loop of a batch in one call. The reference is otseg/ops/sinkhorn.py.
//
// Absorption-stabilized scaling. With potentials F, G near the current ones, the kernel E = exp(S + F + G) is stored
// once, frames contiguous in tiles. Then a sweep is two products, and no exponential of an entry:
//
//     f = tau_a (F - log(E (b v))),  u = exp(f - F)        g = tau_b (G - log(E^T (a u))),  v = exp(g - G)
//
// Both are done for a tile while it is in the cache, so that a sweep reads the kernel once. Where a scaling or a sum
// leaves the range in which no entry that was rounded to 0 can matter, the kernel is made again from the current g
// (one exponential per entry, rows in the log domain); columns whose sum still cannot be had from it (they are far
// below every other entry of their rows) are summed in the log domain. So the result has the accuracy of the log
// domain for every epsilon, and the worst case is its cost.
//
// Rows and columns without mass (padding among them) take no part in the loop and get their potentials at the end.
// Sums are made in an order that depends on the numbers of rows and columns with mass alone.

#if !defined(__GNUC__)
#error "The kernels need GCC or Clang."
#endif

#include "common.h"
#include "cpu_features.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

namespace otseg {
namespace {

constexpr int64_t TEST_EVERY = 10;  // as in the reference

struct Batch {
  const void *score, *a, *b, *slope_a, *slope_b, *f;
  int64_t n, k, strides[3], max_iter;
  std::optional<double> tol;
  bool translate;
  void *f_out, *g_out, *error;
  int64_t* n_iter;
};

double damping(double slope) { return std::isinf(slope) ? 0 : 1 / (1 + slope); }

// Indices in order: those with mass first; returns how many these are. A denormal number counts as 0.
template <class T>
int64_t massive_first(const T* mass, int64_t size, int64_t* list) {
  const T least = std::numeric_limits<T>::min();
  int64_t count = 0;
  for (int64_t i = 0; i < size; ++i)
    if (mass[i] >= least) list[count++] = i;
  for (int64_t i = 0, next = count; i < size; ++i)
    if (!(mass[i] >= least)) list[next++] = i;
  return count;
}

#define OTSEG_LOOP "sinkhorn_loop.h"
#include "targets.h"

std::tuple<Tensor, Tensor, Tensor, Tensor> sinkhorn_sweeps(const Tensor& score, const Tensor& a, const Tensor& b,
                                                           const Tensor& slope_a, const Tensor& slope_b,
                                                           const Tensor& f, int64_t max_iter,
                                                           std::optional<double> tol, bool translate) {
  using torch::headeronly::ScalarType;
  const auto dtype = score.scalar_type();
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double, "`score` must be float32 or float64.");
  STD_TORCH_CHECK(score.dim() == 3 && score.size(1) > 0 && score.size(2) > 0, "`score` must be of shape (B, N, K).");
  STD_TORCH_CHECK(max_iter >= 1, "`max_iter` must be at least 1; got ", max_iter, ".");
  const int64_t size = score.size(0), n = score.size(1), k = score.size(2);
  check_shape("a", a, {size, n});
  check_shape("b", b, {size, k});
  check_shape("slope_a", slope_a, {size});
  check_shape("slope_b", slope_b, {size});
  check_shape("f", f, {size, n});
  check_like("a", a, score);
  check_like("b", b, score);
  check_like("slope_a", slope_a, score);
  check_like("slope_b", slope_b, score);
  check_like("f", f, score);
  const Tensor dense[] = {packed(a), packed(b), packed(slope_a), packed(slope_b), packed(f)};
  Tensor f_out = torch::stable::new_empty(score, {size, n}), g_out = torch::stable::new_empty(score, {size, k});
  Tensor error = torch::stable::new_empty(score, {size});
  Tensor n_iter = torch::stable::new_empty(score, {size}, ScalarType::Long);
  const Batch batch = {score.data_ptr(), dense[0].data_ptr(), dense[1].data_ptr(), dense[2].data_ptr(),
                       dense[3].data_ptr(), dense[4].data_ptr(), n, k,
                       {score.stride(0), score.stride(1), score.stride(2)}, max_iter, tol, translate,
                       f_out.data_ptr(), g_out.data_ptr(), error.data_ptr(),
                       static_cast<int64_t*>(n_iter.data_ptr())};
  const auto solve = OTSEG_BEST(solve_range, dtype);
  // Many problems, or small ones: threads share the batch. Few long ones: they share the frames of each.
  const int64_t threads = torch::stable::get_num_threads();
  if (size >= 4 * threads || n * k <= 16384) {
    torch::stable::parallel_for(0, size, std::max<int64_t>(1, 4096 / (n * k)),
                                [&](int64_t begin, int64_t end) { solve(batch, begin, end); });
  } else {
    solve(batch, 0, size);
  }
  return {f_out, g_out, n_iter, error};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(otseg, CPU, m) { m.impl("sinkhorn_sweeps", TORCH_BOX(&sinkhorn_sweeps)); }

}  // namespace otseg
