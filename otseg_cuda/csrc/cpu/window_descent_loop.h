// Mirror descent of one problem with a temporal window; see window_descent.cpp for the idea. Included once per type and
// instruction set, inside of a namespace that has defined T; hence no include guard.

#include "window_descent_layout.h"
#include "window_descent_sums.h"
#include "window_descent_step.h"

struct Descent : Step {
  using Step::Step;

  // The whole loop of problem p.
  void solve(int64_t p) {
    const double width = prepare(p), curvature = static_cast<const T*>(batch.curvature)[p];
    const double rounding = ROUNDING * std::numeric_limits<T>::epsilon() * mass * (width + 2 * curvature + epsilon);
    const double ceiling = CEILING / epsilon, safe = std::min(1 / (curvature + rho_b), ceiling);
    const double floor = exact ? safe : 0;
    double step = batch.step == nullptr ? std::min(START * safe, ceiling) : static_cast<const T*>(batch.step)[p];
    double grow = GROW, mass_energy = 0;
    if (exact) {  // the masses of the rows stay: one window for all iterations
      std::swap(w, w_new);
      mass_energy = window(k, k + 1);
      std::swap(w, w_new);
      for (int64_t strip = 0; strip < strips; ++strip) {
        const T* near = tile(w, strip, k + 1) + k * STRIP;
        std::copy(near, near + STRIP, tile(w_new, strip, k + 1) + k * STRIP);
      }
    }
    T* trace = batch.trace == nullptr ? nullptr : static_cast<T*>(batch.trace) + p * (batch.max_iter + 1);
    double objective = propose(1, 0, exact ? 1 : 0, mass_energy);  // evaluates the start, its rows normalized
    accept();
    if (trace) *trace++ = T(objective);
    int64_t i = 0;
    for (; i < batch.max_iter; ++i) {
      if (batch.tol && i && i % TEST_EVERY == 0 && respond(nullptr, nullptr) < *batch.tol) break;
      const double scale = epsilon + 1 / step;
      const double found = propose(1 / (step * scale), 1 / scale, damping(scale), mass_energy);
      const double change = found - objective;
      bool accepted = true;
      if (batch.step == nullptr) {
        accepted = change <= rounding;
        if (!accepted) {
          grow = GENTLE;
          step = std::max(SHRINK * step, floor);
        } else if (change < -rounding) {
          step = std::min(grow * step, ceiling);
        }
      }
      if (accepted) {
        accept();
        objective = found;
      }
      if (trace) *trace++ = T(objective);
    }
    batch.n_iter[p] = i;
    if (trace) std::fill(trace, trace + (batch.max_iter - i), T(objective));
    T* f = static_cast<T*>(batch.f) + p * batch.n;
    T* out = static_cast<T*>(batch.plan) + p * batch.n * k;
    static_cast<T*>(batch.error)[p] = T(respond(f, out));
    for (int64_t c = 0; c < k; ++c) static_cast<T*>(batch.g)[p * k + c] = T(-rho_b * penalty_.get()[c]);
    static_cast<T*>(batch.objective)[p] = T(objective);
    std::fill(f + frames, f + batch.n, T(0));
    std::fill(out + frames * k, out + batch.n * k, T(0));
  }
};

// Solve the problems [begin, end) of a batch one after the other.
static void solve_range(const Batch& batch, int64_t begin, int64_t end, Crew* crew) {
  Descent descent(batch, crew);
  for (int64_t p = begin; p < end; ++p) descent.solve(p);
}
#undef OTSEG_CALLED
