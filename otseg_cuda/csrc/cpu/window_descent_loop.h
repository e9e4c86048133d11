// Mirror descent of one problem with a temporal window; see window_descent.cpp for the idea. Included once per type and
// instruction set, inside of a namespace that has defined T; hence no include guard.

static constexpr int VECS = 4;
static constexpr int64_t STRIP = VECS * LANES;       // frames that stay in the cache while a step is made
static constexpr int64_t MARGIN = 64 / sizeof(T);    // zeros before and after every row, at least a vector
static constexpr int64_t FLUSH = 64;                 // strips, or vectors, after which sums of T go to a double

// Never inlined: they are called once for many frames, and GCC 12 fails to compile them as a part of their callers.
#define OTSEG_CALLED __attribute__((noinline))

struct Descent {
  const Batch& batch;
  Crew* crew;
  int64_t k, r, strips, padded, row, strips_per_chunk, chunks, lane_stride, sum_stride;
  double epsilon, rho_a, rho_b, weight, mass, mass_b;
  bool exact;
  Scratch entries_;
  Buffer<T> a_, log_b_, b_, term_, lanes_;
  Buffer<double> column_, penalty_, sums_;
  // Cost; log density and window sums of the plan, and of the candidate: strip after strip, and there action after
  // action. The candidate itself: action after action. The last three have an action k, the masses of the frames.
  T *cost, *m, *m_new, *w, *w_new, *plan;

  Descent(const Batch& batch, Crew* crew) : batch(batch), crew(crew), k(batch.k) {}

  // Read the problem. Returns the range of the cost over frames with mass.
  double prepare(int64_t p) {
    const T* a = static_cast<const T*>(batch.a) + p * batch.n;
    const T* b = static_cast<const T*>(batch.b) + p * k;
    const auto value = [p](const void* x) { return double(static_cast<const T*>(x)[p]); };
    epsilon = value(batch.epsilon), rho_a = value(batch.rho_a), rho_b = value(batch.rho_b);
    weight = value(batch.weight);
    exact = std::isinf(rho_a);
    int64_t frames = batch.n;  // those after the last with mass take no part
    while (frames > 1 && !(a[frames - 1] > 0)) --frames;
    r = std::min(batch.half_width[p], frames);
    strips = (frames + STRIP - 1) / STRIP;
    padded = strips * STRIP;
    row = padded + 2 * MARGIN;
    if (row / MARGIN % 2 == 0) row += MARGIN;  // an odd number of cache lines: rows do not compete for the same sets
    // Chunks are what threads share; they depend on the sizes alone, so that results do not depend on threads. Each
    // sums a window at its start: as long as windows are not longer than chunks, that is little.
    strips_per_chunk = std::max<int64_t>({1, 8192 / (STRIP * k), (strips + 63) / 64, std::min(r, padded / 8) / STRIP});
    chunks = (strips + strips_per_chunk - 1) / strips_per_chunk;
    strips_per_chunk = (strips + (chunks + 3) / 4 * 4 - 1) / ((chunks + 3) / 4 * 4);  // four, eight, ... equal ones
    chunks = (strips + strips_per_chunk - 1) / strips_per_chunk;
    const int64_t tiles = k * padded, wide = tiles + padded;
    cost = entries_.get<T>(3 * tiles + 2 * wide + (k + 1) * row);
    m = cost + tiles, m_new = m + tiles, w = m_new + tiles, w_new = w + wide, plan = w_new + wide + MARGIN;
    for (Buffer<T>* buffer : {&log_b_, &b_, &term_}) buffer->get(k);
    for (Buffer<double>* buffer : {&column_, &penalty_}) buffer->get(k);
    a_.get(padded);
    lane_stride = k * LANES + MARGIN;  // threads write them all the time: they share no cache line
    sum_stride = k + 2 + 8;
    lanes_.get(chunks * lane_stride);
    sums_.get(chunks * sum_stride);
    mass = mass_b = 0;
    for (int64_t i = 0; i < padded; ++i) {
      a_.get()[i] = i < frames ? a[i] : T(0);
      mass += a_.get()[i];
    }
    for (int64_t c = 0; c < k; ++c) {
      b_.get()[c] = b[c];
      log_b_.get()[c] = b[c] > 0 ? std::log(b[c]) : -std::numeric_limits<T>::infinity();
      mass_b += b[c];
      penalty_.get()[c] = 0;
    }
    for (int64_t c = 0; c <= k; ++c)
      for (int64_t i = 0; i < MARGIN; ++i) plan[c * row - MARGIN + i] = plan[c * row + padded + i] = 0;
    crew->run(chunks, [&](int64_t chunk) { read_chunk(p, frames, chunk); });
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      low = std::min(low, sums_.get()[2 * chunk]);
      high = std::max(high, sums_.get()[2 * chunk + 1]);
    }
    return high - low;
  }

  T* tile(T* tiles, int64_t strip, int64_t actions) const { return tiles + strip * actions * STRIP; }

  // A strip of a strided (N, K) array; 0 where there is no frame.
  void read(const T* from, const int64_t* strides, int64_t frames, int64_t strip, T* to) const {
    const int64_t first = strip * STRIP, count = std::min(STRIP, frames - first);
    for (int64_t c = 0; c < k; ++c, to += STRIP) {
      const T* source = from + first * strides[1] + c * strides[2];
      for (int64_t j = 0; j < count; ++j) to[j] = source[j * strides[1]];
      for (int64_t j = count; j < STRIP; ++j) to[j] = 0;
    }
  }

  OTSEG_CALLED void read_chunk(int64_t p, int64_t frames, int64_t chunk) {
    const T* costs = static_cast<const T*>(batch.cost) + p * batch.cost_strides[0];
    const T* start = static_cast<const T*>(batch.init) + p * batch.init_strides[0];
    Vec low = broadcast(std::numeric_limits<T>::infinity()), high = broadcast(-std::numeric_limits<T>::infinity());
    const int64_t end = std::min(strips, (chunk + 1) * strips_per_chunk);
    for (int64_t strip = chunk * strips_per_chunk; strip < end; ++strip) {
      T *x = tile(cost, strip, k), *y = tile(m, strip, k), *near = tile(w, strip, k + 1);
      read(costs, batch.cost_strides, frames, strip, x);
      if (batch.init != nullptr) read(start, batch.init_strides, frames, strip, y);
      for (int64_t v = 0; v < VECS; ++v) {
        const Vec a = load(a_.get() + strip * STRIP + v * LANES);
        const SignedVec massive = a > Vec{};
        store(plan + k * row + strip * STRIP + v * LANES, a);
        for (int64_t i = v * LANES; i < k * STRIP; i += STRIP) {
          const Vec value = select(massive, load(x + i), Vec{});  // a frame without mass may hold anything
          store(x + i, value);
          store(y + i, batch.init == nullptr ? Vec{} : select(massive, load(y + i), Vec{}));
          store(near + i, Vec{});
          low = minimum(low, select(massive, value, low));
          high = maximum(high, select(massive, value, high));
        }
        store(near + k * STRIP + v * LANES, Vec{});
      }
    }
    sums_.get()[2 * chunk] = -double(max(-low));
    sums_.get()[2 * chunk + 1] = double(max(high));
  }

  // Unprojected log density of a strip, `keep M - move G`, into the candidate, with the peak of every row.
  OTSEG_INLINE void move_strip(const Descent& d, int64_t strip, double keep, double move, Vec* peak) {
    const Vec old = broadcast(T(keep)), far = broadcast(T(-move)), near = broadcast(T(move * d.weight));
    const T *m = d.tile(d.m, strip, d.k), *w = d.tile(d.w, strip, d.k + 1), *entry = d.tile(d.cost, strip, d.k);
    T* out = d.tile(d.m_new, strip, d.k);
    Vec all[VECS];
    for (int v = 0; v < VECS; ++v) {
      all[v] = -near * load(w + d.k * STRIP + v * LANES);
      peak[v] = broadcast(-std::numeric_limits<T>::infinity());
    }
    for (int64_t c = 0; c < d.k; ++c, m += STRIP, w += STRIP, entry += STRIP, out += STRIP) {
      const Vec shift = broadcast(d.term_.get()[c]), log_b = broadcast(d.log_b_.get()[c]);
#pragma GCC unroll 4
      for (int v = 0; v < VECS; ++v) {
        const Vec gradient = far * load(entry + v * LANES) + (near * load(w + v * LANES) + (all[v] + shift));
        const Vec x = old * load(m + v * LANES) + gradient;
        store(out + v * LANES, x);
        peak[v] = maximum(peak[v], x + log_b);
      }
    }
  }

  // What `term_` must be for a step: the share of the actions' penalty.
  void set_terms(double move) {
    for (int64_t c = 0; c < k; ++c) term_.get()[c] = T(-move * rho_b * penalty_.get()[c]);
  }

  OTSEG_CALLED void propose_chunk(int64_t chunk, double keep, double move, double tau) {
    T* lanes = lanes_.get() + chunk * lane_stride;
    double* columns = sums_.get() + chunk * sum_stride;
    std::fill(columns, columns + k + 2, 0.0);
    std::memset(lanes, 0, sizeof(T) * k * LANES);
    const int64_t first = chunk * strips_per_chunk, end = std::min(strips, first + strips_per_chunk);
    for (int64_t strip = first; strip < end; ++strip) {
      const int64_t i = strip * STRIP;
      const T* entry = tile(cost, strip, k);
      T* density = tile(m_new, strip, k);
      Vec peak[VECS], total[VECS], drop[VECS], linear[VECS];
      move_strip(*this, strip, keep, move, peak);
      for (int v = 0; v < VECS; ++v) total[v] = linear[v] = Vec{};
      for (int64_t c = 0; c < k; ++c) {
        const Vec log_b = broadcast(log_b_.get()[c]);
#pragma GCC unroll 4
        for (int v = 0; v < VECS; ++v) {
          const Vec e = exp_below((load(density + c * STRIP + v * LANES) - peak[v]) + log_b);
          store(plan + c * row + i + v * LANES, e);
          total[v] += e;
        }
      }
      Vec scale[VECS], relaxed = {};
      for (int v = 0; v < VECS; ++v) {
        const Vec a = load(a_.get() + i + v * LANES), log_row = log(total[v]) + peak[v];
        drop[v] = T(tau) * log_row;
        scale[v] = a / total[v];
        if (!exact) {
          const Vec ratio = T(1 - tau) * log_row, grown = exp(ratio);
          scale[v] *= grown;
          store(plan + k * row + i + v * LANES, a * grown);
          relaxed += a * (grown * ratio - grown + T(1));
        }
      }
      const Vec entropy = broadcast(T(epsilon));
      for (int64_t c = 0; c < k; ++c) {
        Vec column = {};
#pragma GCC unroll 4
        for (int v = 0; v < VECS; ++v) {
          const int64_t at = c * STRIP + v * LANES;
          T* q = plan + c * row + i + v * LANES;
          const Vec p = load(q) * scale[v], x = load(density + at) - drop[v];
          store(q, p);
          store(density + at, x);
          column += p;
          linear[v] += p * (load(entry + at) + entropy * x);
        }
        store(lanes + c * LANES, load(lanes + c * LANES) + column);
      }
      columns[k] += sum((linear[0] + linear[1]) + (linear[2] + linear[3]));
      columns[k + 1] += sum(relaxed);
      if ((strip - first + 1) % FLUSH == 0 || strip + 1 == end) {
        for (int64_t c = 0; c < k; ++c) columns[c] += sum(load(lanes + c * LANES));
        std::memset(lanes, 0, sizeof(T) * k * LANES);
      }
    }
  }

  // Sum of a row of the plan over [begin, end), cut to where it is.
  double range_sum(const T* p, int64_t begin, int64_t end) const {
    double total = 0;
    begin = std::max<int64_t>(begin, 0), end = std::min(end, padded);
    for (; begin < end && begin % LANES != 0; ++begin) total += p[begin];
    while (begin + LANES <= end) {
      Vec part = {};
      for (const int64_t stop = std::min(begin + FLUSH * LANES, end); begin + LANES <= stop; begin += LANES)
        part += load(p + begin);
      total += sum(part);
    }
    for (; begin < end; ++begin) total += p[begin];
    return total;
  }

  // Sums over the window, without the frame itself, for an action and a chunk; returns their product with the plan.
  OTSEG_CALLED double window_chunk(int64_t c, int64_t chunk) {
    const T* p = plan + c * row;
    const int64_t first = chunk * strips_per_chunk, end = std::min(strips, first + strips_per_chunk);
    double carry = range_sum(p, first * STRIP - 1 - r, first * STRIP + r), product = 0;
    for (int64_t strip = first; strip < end;) {
      Vec dot = {}, before = {};
      const Vec start = broadcast(T(carry));
      for (const int64_t stop = std::min(strip + FLUSH / VECS, end); strip < stop; ++strip) {
        T* out = tile(w_new, strip, k + 1) + c * STRIP;
        for (int v = 0; v < VECS; ++v) {
          const int64_t i = strip * STRIP + v * LANES;
          const Vec enters = i + r < padded ? load_unaligned(p + i + r) : Vec{};
          const Vec leaves = i - r - 1 > -LANES ? load_unaligned(p + i - r - 1) : Vec{};
          const Vec change = scan(enters - leaves), self = load(p + i);
          const Vec near = (start + (before + change)) - self;
          before += last(change);
          store(out + v * LANES, near);
          dot += near * self;
        }
      }
      carry += before[0];
      product += sum(dot);
    }
    return product;
  }

  // Window sums of the candidate for the actions [first, end), and their share of its quadratic term.
  double window(int64_t first, int64_t end) {
    double* energies = sums_.get();
    crew->run(chunks, [&](int64_t chunk) {
      double energy = 0;
      for (int64_t c = first; c < end; ++c) energy += c == k ? window_chunk(c, chunk) : -window_chunk(c, chunk);
      energies[chunk * sum_stride] = energy;
    });
    double energy = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) energy += energies[chunk * sum_stride];
    return energy;
  }

  // Make the candidate; its objective.
  double propose(double keep, double move, double tau, double mass_energy) {
    set_terms(move);
    crew->run(chunks, [&](int64_t chunk) { propose_chunk(chunk, keep, move, tau); });
    std::fill(column_.get(), column_.get() + k, 0.0);
    double linear = 0, relaxed = 0, total = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const double* sums = sums_.get() + chunk * sum_stride;
      for (int64_t c = 0; c < k; ++c) column_.get()[c] += sums[c];
      linear += sums[k];
      relaxed += sums[k + 1];
    }
    double objective = linear;
    for (int64_t c = 0; c < k; ++c) {
      const double column = column_.get()[c];
      total += column;
      objective += rho_b * (column * ratio(c) - column + b_.get()[c]);
    }
    objective += epsilon * (mass * mass_b - total);
    if (!exact && rho_a > 0) objective += rho_a * relaxed;
    return objective + weight / 2 * (mass_energy + window(0, exact ? k : k + 1));
  }

  // log(column / b) of the candidate, 0 where `b` is; an underflowed column counts as the smallest normal number.
  double ratio(int64_t c) const {
    if (!(b_.get()[c] > 0)) return 0;
    return std::log(std::max(column_.get()[c], double(std::numeric_limits<T>::min()))) - log_b_.get()[c];
  }

  void accept() {
    std::swap(m, m_new);
    std::swap(w, w_new);
    for (int64_t c = 0; c < k; ++c) penalty_.get()[c] = ratio(c);
  }

  // Distance of the plan to its best response; with `f`, also writes potentials and plan.
  OTSEG_CALLED double respond_chunk(int64_t chunk, double tau, T* f, T* out, int64_t frames) {
    double error = 0;
    const int64_t end = std::min(strips, (chunk + 1) * strips_per_chunk);
    for (int64_t strip = chunk * strips_per_chunk; strip < end; ++strip) {
      const int64_t i = strip * STRIP;
      Vec peak[VECS], total[VECS], mass[VECS], gap[VECS];
      const T* now = tile(m, strip, k);
      T* best = tile(m_new, strip, k);
      move_strip(*this, strip, 0, 1 / epsilon, peak);
      for (int v = 0; v < VECS; ++v) total[v] = mass[v] = gap[v] = Vec{};
      for (int64_t c = 0; c < k; ++c) {
        const Vec log_b = broadcast(log_b_.get()[c]);
#pragma GCC unroll 4
        for (int v = 0; v < VECS; ++v) {
          const int64_t at = c * STRIP + v * LANES;
          const Vec response = exp_below((load(best + at) - peak[v]) + log_b), p = exp(load(now + at) + log_b);
          store(best + at, response);
          store(plan + c * row + i + v * LANES, p);
          total[v] += response;
          mass[v] += p;
        }
      }
      Vec best_scale[VECS], scale[VECS];
      for (int v = 0; v < VECS; ++v) {
        const Vec a = load(a_.get() + i + v * LANES), log_row = log(total[v]) + peak[v];
        best_scale[v] = exact ? a / total[v] : a * exp(T(1 - tau) * log_row) / total[v];
        scale[v] = exact ? a / mass[v] : a;  // exact rows are normalized: this takes back rounding only
        if (f != nullptr) {
          const Vec potential = T(-epsilon * tau) * log_row;
          for (int64_t j = i + v * LANES; j < std::min(i + (v + 1) * LANES, frames); ++j)
            f[j] = a_.get()[j] > 0 ? potential[j - i - v * LANES] : T(0);
        }
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
        for (int64_t j = 0; j < std::min(STRIP, frames - i); ++j)
          for (int64_t c = 0; c < k; ++c) out[(i + j) * k + c] = plan[c * row + i + j];
    }
    return error;
  }

  double respond(T* f, T* out) {
    set_terms(1 / epsilon);
    const double tau = damping(epsilon);
    double* errors = sums_.get();
    crew->run(chunks, [&](int64_t chunk) { errors[chunk] = respond_chunk(chunk, tau, f, out, batch.n); });
    double error = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) error += errors[chunk];
    return error / mass;
  }

  double damping(double entropy) const { return exact ? 1 : rho_a > 0 ? 1 / (1 + entropy / rho_a) : 0; }

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
    if (padded < batch.n) {
      std::fill(f + padded, f + batch.n, T(0));
      std::fill(out + padded * k, out + batch.n * k, T(0));
    }
  }
};

// Solve the problems [begin, end) of a batch one after the other.
static void solve_range(const Batch& batch, int64_t begin, int64_t end, Crew* crew) {
  Descent descent(batch, crew);
  for (int64_t p = begin; p < end; ++p) descent.solve(p);
}
#undef OTSEG_CALLED
