// The passes over strips of frames, all actions of a strip while it is in the cache: the candidate of an iteration, and
// the distance to the best response. See window_descent.cpp. Included like window_descent_layout.h.
//
// The log density of the plan is kept in base 2, with log b in it, and not normalized: log2(P / a) = m - drop, with one
// `drop` per frame. Whatever can be is done per frame or per action, so that an entry costs little but its exponential.

struct Step : WindowSums {
  using WindowSums::WindowSums;

  // Unprojected log density of a strip, `keep M - move G`, into the candidate, with the peak of every row.
  OTSEG_INLINE void move_strip(const Step& d, int64_t strip, double keep, double move, Vec* peak) {
    const Vec old = broadcast(T(keep)), far = broadcast(T(-move / LN2)), near = broadcast(T(move / LN2 * d.weight));
    const T *m = d.tile(d.m, strip, d.k), *w = d.tile(d.w, strip, d.k + 1), *entry = d.tile(d.cost, strip, d.k);
    T* out = d.tile(d.m_new, strip, d.k);
    Vec all[VECS];
    for (int v = 0; v < VECS; ++v) {
      all[v] = -near * load(w + d.k * STRIP + v * LANES) - old * load(d.drop + strip * STRIP + v * LANES);
      peak[v] = broadcast(-std::numeric_limits<T>::infinity());
    }
    for (int64_t c = 0; c < d.k; ++c, m += STRIP, w += STRIP, entry += STRIP, out += STRIP) {
      const Vec term = broadcast(d.term_.get()[c]);
#pragma GCC unroll 4
      for (int v = 0; v < VECS; ++v) {
        const Vec gradient = far * load(entry + v * LANES) + (near * load(w + v * LANES) + (all[v] + term));
        const Vec x = old * load(m + v * LANES) + gradient;
        store(out + v * LANES, x);
        peak[v] = maximum(peak[v], x);
      }
    }
  }

  // What `term_` must be for a step: the shares of the actions' penalty, and of their mass.
  void set_terms(double keep, double move) {
    for (int64_t c = 0; c < k; ++c)
      term_.get()[c] = T((1 - keep) * log_b_.get()[c] - move / LN2 * rho_b * penalty_.get()[c]);
  }

  OTSEG_CALLED void propose_chunk(int64_t chunk, double keep, double move, double tau) {
    T* lanes = lanes_.get() + chunk * lane_stride;
    double* sums = sums_.get() + chunk * sum_stride;
    const int64_t first = chunk * strips_per_chunk, end = end_of(chunk), rows = exact ? k : k + 1;
    std::fill(before(chunk + 1, 0), before(chunk + 1, rows), 0.0);
    std::memset(lanes, 0, sizeof(T) * rows * LANES);
    sums[0] = sums[1] = 0;
    for (int64_t strip = first; strip < end; ++strip) {
      const int64_t i = strip * STRIP;
      const T* entry = tile(cost, strip, k);
      const T* density = tile(m_new, strip, k);
      Vec peak[VECS], total[VECS], linear[VECS];
      move_strip(*this, strip, keep, move, peak);
      for (int v = 0; v < VECS; ++v) total[v] = Vec{};
      for (int64_t c = 0; c < k; ++c) {
#pragma GCC unroll 4
        for (int v = 0; v < VECS; ++v) {
          const Vec e = exp2_below(load(density + c * STRIP + v * LANES) - peak[v]);
          store(plan + c * row + i + v * LANES, e);
          total[v] += e;
        }
      }
      Vec scale[VECS], relaxed = {}, masses = {};
      for (int v = 0; v < VECS; ++v) {
        Vec mass_v = load(a_.get() + i + v * LANES);
        const Vec log_row = log(total[v]) * T(1 / LN2) + peak[v], lost = T(tau) * log_row;
        scale[v] = mass_v / total[v];
        if (!exact) {
          const Vec ratio = T((1 - tau) * LN2) * log_row, grown = exp(ratio);
          relaxed += mass_v * (grown * ratio - grown + T(1));
          scale[v] *= grown;
          mass_v *= grown;
          store(plan + k * row + i + v * LANES, mass_v);
          masses += mass_v;
        }
        store(drop_new + i + v * LANES, lost);
        linear[v] = T(-epsilon * LN2) * (lost * mass_v);
      }
      const Vec entropy = broadcast(T(epsilon * LN2));
      for (int64_t c = 0; c < k; ++c) {
        Vec column = {};
#pragma GCC unroll 4
        for (int v = 0; v < VECS; ++v) {
          const int64_t at = c * STRIP + v * LANES;
          T* q = plan + c * row + i + v * LANES;
          const Vec p = load(q) * scale[v];
          store(q, p);
          column += p;
          linear[v] += p * (load(entry + at) + entropy * load(density + at));
        }
        store(lanes + c * LANES, load(lanes + c * LANES) + column);
      }
      if (!exact) store(lanes + k * LANES, load(lanes + k * LANES) + masses);
      sums[0] += sum((linear[0] + linear[1]) + (linear[2] + linear[3]));
      sums[1] += sum(relaxed);
      if ((strip - first + 1) % FLUSH == 0 || strip + 1 == end) {
        double* totals = before(chunk + 1, 0);
        for (int64_t j = 0; j < rows * LANES; ++j) totals[j] += lanes[j];
        std::memset(lanes, 0, sizeof(T) * rows * LANES);
      }
    }
  }

  // Make the candidate; its objective.
  double propose(double keep, double move, double tau, double mass_energy) {
    set_terms(keep, move);
    crew->run(chunks, [&](int64_t chunk) { propose_chunk(chunk, keep, move, tau); });
    double objective = 0, relaxed = 0, total = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      objective += sums_.get()[chunk * sum_stride];
      relaxed += sums_.get()[chunk * sum_stride + 1];
      const double* earlier = before(chunk, 0);
      double* later = before(chunk + 1, 0);
      for (int64_t j = 0; j < (exact ? k : k + 1) * LANES; ++j) later[j] += earlier[j];
    }
    for (int64_t c = 0; c < k; ++c) {
      const double* lanes = before(chunks, c);
      double column = 0, ratio = 0;  // log(column / b), 0 where `b` is
      for (int64_t lane = 0; lane < LANES; ++lane) column += lanes[lane];
      const double log_b = log_b_.get()[c] * LN2;
      if (b_.get()[c] > 0) {  // an underflowed column counts as the smallest normal number
        ratio = std::log(std::max(column, double(std::numeric_limits<T>::min()))) - log_b;
        objective -= epsilon * log_b * column;
      }
      found_.get()[c] = ratio;
      total += column;
      objective += rho_b * (column * ratio - column + b_.get()[c]);
    }
    objective += epsilon * (mass * mass_b - total);
    if (!exact && rho_a > 0) objective += rho_a * relaxed;
    return objective + weight / 2 * (mass_energy + window(0, exact ? k : k + 1));
  }

  void accept() {
    std::swap(m, m_new);
    std::swap(w, w_new);
    std::swap(drop, drop_new);
    std::copy(found_.get(), found_.get() + k, penalty_.get());
  }

  // Distance of the plan to its best response; with `f`, also writes potentials and plan.
  OTSEG_CALLED double respond_chunk(int64_t chunk, double tau, T* f, T* out) {
    double error = 0;
    for (int64_t strip = chunk * strips_per_chunk; strip < end_of(chunk); ++strip) {
      const int64_t i = strip * STRIP;
      Vec peak[VECS], total[VECS], mass[VECS], gap[VECS], lost[VECS];
      const T* now = tile(m, strip, k);
      T* best = tile(m_new, strip, k);
      move_strip(*this, strip, 0, 1 / epsilon, peak);
      for (int v = 0; v < VECS; ++v) {
        total[v] = mass[v] = gap[v] = Vec{};
        lost[v] = load(drop + i + v * LANES);
      }
      for (int64_t c = 0; c < k; ++c) {
#pragma GCC unroll 4
        for (int v = 0; v < VECS; ++v) {
          const int64_t at = c * STRIP + v * LANES;
          const Vec response = exp2_below(load(best + at) - peak[v]), p = exp2(load(now + at) - lost[v]);
          store(best + at, response);
          store(plan + c * row + i + v * LANES, p);
          total[v] += response;
          mass[v] += p;
        }
      }
      Vec best_scale[VECS], scale[VECS], potential[VECS];
      for (int v = 0; v < VECS; ++v) {
        const Vec a = load(a_.get() + i + v * LANES), log_row = log(total[v]) + T(LN2) * peak[v];
        best_scale[v] = exact ? a / total[v] : a * exp(T(1 - tau) * log_row) / total[v];
        scale[v] = exact ? a / mass[v] : a;  // exact rows are normalized: this takes back rounding only
        potential[v] = select(a > Vec{}, T(-epsilon * tau) * log_row, Vec{});
      }
      for (int64_t c = 0; c < k; ++c)
#pragma GCC unroll 4
        for (int v = 0; v < VECS; ++v) {
          T* q = plan + c * row + i + v * LANES;
          const Vec p = load(q) * scale[v], x = load(best + c * STRIP + v * LANES) * best_scale[v] - p;
          store(q, p);
          gap[v] += absolute(x);
        }
      error += sum((gap[0] + gap[1]) + (gap[2] + gap[3]));
      if (f != nullptr)
        places(*this, strip, [&](int64_t frame, int64_t at) {
          f[frame] = potential[at / LANES][at % LANES];
          for (int64_t c = 0; c < k; ++c) out[frame * k + c] = plan[c * row + i + at];
        });
    }
    return error;
  }

  double respond(T* f, T* out) {
    set_terms(0, 1 / epsilon);
    const double tau = damping(epsilon);
    double* errors = sums_.get();
    crew->run(chunks, [&](int64_t chunk) { errors[chunk * sum_stride] = respond_chunk(chunk, tau, f, out); });
    double error = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) error += errors[chunk * sum_stride];
    return error / mass;
  }

  double damping(double entropy) const { return exact ? 1 : rho_a > 0 ? 1 / (1 + entropy / rho_a) : 0; }
};
