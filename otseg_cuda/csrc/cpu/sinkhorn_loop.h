// One Sinkhorn problem from potentials to potentials; see sinkhorn.cpp for the idea. Included once per type and
// instruction set, inside of a namespace that has defined T; hence no include guard.

#include "sinkhorn_scaling.h"

struct Loop : Scaling {
  double slope_a, slope_b, tau_b;
  bool translate;
  Buffer<T> f_before_;

  // log of the sum of a exp(-slope_a f).
  double log_mass_a() {
    double total = 0;
    if (slope_a == 0) {
      for (int64_t i = 0; i < n; ++i) total += a_.get()[i];
      return std::log(total);
    }
    // Exponents are stored, so that each is rounded once: a fused one may exceed the peak by far where it is large.
    const T* f = this->f();
    T* x = f_before_.get();
    T top = -std::numeric_limits<T>::infinity();
    for (int64_t i = 0; i < tiles * WIDTH; ++i) {
      x[i] = log_a_.get()[i] - T(slope_a) * f[i];
      top = x[i] > top ? x[i] : top;
    }
    for (int64_t i = 0; i < tiles * WIDTH; i += LANES) total += sum(exp(load(x + i) - top));
    return double(top) + std::log(total);
  }

  double log_mass_b() const {
    double top = -std::numeric_limits<double>::infinity(), total = 0;
    for (int64_t c = 0; c < k; ++c) top = std::max(top, log_b_.get()[c] - slope_b * g_.get()[c]);
    for (int64_t c = 0; c < k; ++c) total += std::exp(log_b_.get()[c] - slope_b * g_.get()[c] - top);
    return top + std::log(total);
  }

  double column_error() const {
    double gap = 0, mass = 0;
    for (int64_t c = 0; c < k; ++c) {
      const double g = g_.get()[c], b = b_.get()[c];
      mass += b;
      if (std::isinf(slope_b)) continue;  // nothing is asked of a free marginal
      const double marginal = std::exp(std::min(g - target_.get()[c], 80.0));
      gap += b * std::abs(marginal - std::exp(std::min(-slope_b * g, 80.0)));
    }
    return gap / mass;
  }

  // The whole loop; `total_rows` and `total_columns` count those without mass too.
  void solve(const T* a, const T* b, const T* f_start, int64_t total_rows, int64_t total_columns, int64_t max_iter,
             std::optional<double> tol, T* f_out, T* g_out, int64_t* n_iter, T* error) {
    prepare(a, b, f_start);
    f_before_.get(tiles * WIDTH);
    const double total_slope = slope_a + slope_b;
    const bool movable = translate && total_slope > std::numeric_limits<T>::epsilon() && !std::isinf(total_slope);
    const bool empty_columns = total_columns > k;
    const double exact_mass = movable && slope_a == 0 ? log_mass_a() : 0;
    for (int64_t c = 0; c < k; ++c) wrong_.get()[c] = c;
    columns_by_logarithm(f(), wrong_.get(), k, columns, target_.get());
    double shift = 0;
    *n_iter = max_iter;
    for (int64_t sweep = 0; sweep < max_iter; ++sweep) {
      if (tol && sweep && sweep % TEST_EVERY == 0 && column_error() < *tol) {
        *n_iter = sweep;
        break;
      }
      for (int64_t c = 0; c < k; ++c) g_.get()[c] = tau_b == 0 ? 0 : tau_b * target_.get()[c];
      if (movable) {
        shift = ((slope_a == 0 ? exact_mass : log_mass_a()) - log_mass_b()) / total_slope;
        for (int64_t c = 0; c < k; ++c) g_.get()[c] -= shift;
      }
      if (empty_columns) std::copy(f(), f() + tiles * WIDTH, f_before_.get());
      pass();
    }
    *error = T(column_error());
    const T* f = this->f();
    for (int64_t i = 0; i < n; ++i) f_out[rows[i]] = f[i];
    for (int64_t c = 0; c < k; ++c) g_out[columns[c]] = T(g_.get()[c]);
    if (empty_columns) finish_columns(total_columns, shift, g_out);
    if (total_rows > n) finish_rows(total_rows, f_out);
  }

  // Potentials of columns without mass: no other value depends on them.
  void finish_columns(int64_t total_columns, double shift, T* g_out) {
    const int64_t count = total_columns - k;
    Buffer<int64_t> list;
    Buffer<double> out;
    for (int64_t i = 0; i < count; ++i) list.get(count)[i] = i;
    columns_by_logarithm(f_before_.get(), list.get(), count, columns + k, out.get(count));
    for (int64_t i = 0; i < count; ++i)
      g_out[columns[k + i]] = T((tau_b == 0 ? 0 : tau_b * out.get()[i]) - shift);
  }
};

// Solve the problems [begin, end) of a batch one after the other.
static void solve_range(const Batch& batch, int64_t begin, int64_t end) {
  Loop loop;
  std::vector<int64_t> rows(batch.n), columns(batch.k);
  for (int64_t p = begin; p < end; ++p) {
    const T* a = static_cast<const T*>(batch.a) + p * batch.n;
    const T* b = static_cast<const T*>(batch.b) + p * batch.k;
    loop.score = static_cast<const T*>(batch.score) + p * batch.strides[0];
    loop.row_stride = batch.strides[1];
    loop.column_stride = batch.strides[2];
    loop.n = massive_first(a, batch.n, rows.data());
    loop.k = massive_first(b, batch.k, columns.data());
    loop.rows = rows.data();
    loop.columns = columns.data();
    loop.slope_a = static_cast<const T*>(batch.slope_a)[p];
    loop.slope_b = static_cast<const T*>(batch.slope_b)[p];
    loop.tau_a = damping(loop.slope_a);
    loop.tau_b = damping(loop.slope_b);
    loop.translate = batch.translate;
    loop.solve(a, b, static_cast<const T*>(batch.f) + p * batch.n, batch.n, batch.k, batch.max_iter, batch.tol,
               static_cast<T*>(batch.f_out) + p * batch.n, static_cast<T*>(batch.g_out) + p * batch.k,
               batch.n_iter + p, static_cast<T*>(batch.error) + p);
  }
}
