// otseg::sinkhorn_adjoint on the CPU: the implicit gradient of a batch in one call. The reference is
// otseg/ops/sinkhorn_gradient.py.
//
// With A and B the plan with rows, and with columns, normalized, every problem takes one pass that makes both (two
// exponentials per entry), one that multiplies them to the K x K matrix of the system, and one that turns the solution
// into the gradient; all that autograd would write in between stays in registers. Frames are contiguous in tiles, which
// are read and written once per pass. The sums over frames are those of tiles and of chunks of tiles, whose places do
// not depend on the number of frames or threads: padding adds zeros.

#if !defined(__GNUC__)
#error "The kernels need GCC or Clang."
#endif

#include "common.h"
#include "cpu_features.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <type_traits>
#include <utility>

namespace otseg {
namespace {

// What belongs to the rows, or to the columns, of all problems.
struct Side {
  int64_t size, stride, out_stride;
  const void *log_mass, *tau, *potential, *grad;
  void *grad_log_mass, *grad_tau;
};

struct Batch {
  const void* score;
  void* out;
  int64_t stride, out_stride;
  Side rows, columns;
};

// The sides of one problem.
template <class T>
struct Problem {
  const T *log_a, *log_b, *f, *g, *grad_f, *grad_g;
  T *grad_log_a, *grad_log_b, *grad_tau_a, *grad_tau_b;
};

#define OTSEG_LOOP "sinkhorn_adjoint_loop.h"
#include "targets.h"

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> sinkhorn_adjoint(const Tensor& score, const Tensor& log_a,
                                                                    const Tensor& log_b, const Tensor& tau_a,
                                                                    const Tensor& tau_b, const Tensor& f,
                                                                    const Tensor& g, const Tensor& grad_f,
                                                                    const Tensor& grad_g, bool wants_tau) {
  using torch::headeronly::ScalarType;
  const auto dtype = score.scalar_type();
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double, "`score` must be float32 or float64.");
  STD_TORCH_CHECK(score.dim() == 3 && score.size(1) > 0 && score.size(2) > 0, "`score` must be of shape (B, N, K).");
  const int64_t size = score.size(0), n = score.size(1), k = score.size(2);
  Tensor out = torch::stable::new_empty(score, {size, n, k});
  Tensor kept[8];  // contiguous arguments
  int used = 0;
  const auto dense = [&](const char* name, const Tensor& x, std::initializer_list<int64_t> shape) -> const void* {
    check_shape(name, x, shape);
    check_like(name, x, score);
    return (kept[used++] = packed(x)).data_ptr();
  };
  Tensor made[4] = {torch::stable::new_empty(score, {size, n}), torch::stable::new_empty(score, {size, k}),
                    torch::stable::new_empty(score, {size}), torch::stable::new_empty(score, {size})};
  Side rows = {n, score.stride(1), out.stride(1), dense("log_a", log_a, {size, n}), dense("tau_a", tau_a, {size}),
               dense("f", f, {size, n}), dense("grad_f", grad_f, {size, n}), made[0].data_ptr(), made[2].data_ptr()};
  Side columns = {k, score.stride(2), out.stride(2), dense("log_b", log_b, {size, k}), dense("tau_b", tau_b, {size}),
                  dense("g", g, {size, k}), dense("grad_g", grad_g, {size, k}), made[1].data_ptr(),
                  made[3].data_ptr()};
  if (n < k) std::swap(rows, columns);  // the system is that of the smaller side
  const Batch batch = {score.data_ptr(), out.data_ptr(), score.stride(0), out.stride(0), rows, columns};
  const auto adjoint = OTSEG_BEST(adjoint_range, dtype);
  // Many problems, or small ones: threads share the batch. Few long ones: they share the frames of each.
  if (size >= 4 * static_cast<int64_t>(torch::stable::get_num_threads()) || n * k <= 16384) {
    torch::stable::parallel_for(0, size, std::max<int64_t>(1, 4096 / (n * k)),
                                [&](int64_t begin, int64_t end) { adjoint(batch, begin, end); });
  } else {
    adjoint(batch, 0, size);
  }
  if (!wants_tau)
    for (Tensor* grad_tau : {&made[2], &made[3]}) torch::stable::zero_(*grad_tau);
  return {out, made[0], made[1], made[2], made[3]};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(otseg, CPU, m) { m.impl("sinkhorn_adjoint", TORCH_BOX(&sinkhorn_adjoint)); }

}  // namespace otseg
