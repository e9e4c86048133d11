// Where the entries of one problem lie, see window_descent.cpp. Included once per type and instruction set, inside of a
// namespace that has defined T; hence no include guard.
//
// A sequence is cut into LANES equal parts of `length` frames, one for each lane: frame f is in lane f / length, at the
// time f % length. So a vector holds frames that are far apart, and running sums over time go down the vectors without ever
// going across lanes. STRIP frames, VECS times of all lanes, are a strip.

static constexpr int VECS = 4;
static constexpr int64_t STRIP = VECS * LANES;       // frames that stay in the cache while a step is made
static constexpr int64_t MARGIN = 64 / sizeof(T);    // around every row: at least a vector that may be read
static constexpr int64_t FLUSH = 64;                 // strips, or vectors, after which sums of T go to a double
static constexpr T NOTHING = SINGLE ? T(-1e30) : T(-1e300);  // log2 of an action's mass 0: finite, times 0 it is 0
static constexpr double LN2 = 0.69314718055994530942;

// Never inlined: they are called once for many frames, and GCC 12 fails to compile them as a part of their callers.
#define OTSEG_CALLED __attribute__((noinline))

struct Layout {
  const Batch& batch;
  Crew* crew;
  int64_t k, r, frames, length, strips, row, strips_per_chunk, chunks, lane_stride, sum_stride;
  double epsilon, rho_a, rho_b, weight, mass, mass_b;
  bool exact;
  Scratch entries_;
  Buffer<T> a_, b_, term_, lanes_;
  Buffer<double> log_b_, penalty_, found_, sums_, energies_, before_;
  // Cost; log density and window sums of the plan, and of the candidate: strip after strip, and there action after
  // action. Normalization of both densities. The candidate itself: action after action. It and the window sums have an
  // action k, the masses of the frames.
  T *cost, *m, *m_new, *w, *w_new, *drop, *drop_new, *plan;

  Layout(const Batch& batch, Crew* crew) : batch(batch), crew(crew), k(batch.k) {}

  T* tile(T* tiles, int64_t strip, int64_t actions) const { return tiles + strip * actions * STRIP; }
  int64_t end_of(int64_t chunk) const { return std::min(strips, (chunk + 1) * strips_per_chunk); }
  // Sums over the frames of all chunks before this one, per lane, of an action of the candidate.
  double* before(int64_t chunk, int64_t c) const { return before_.get() + (chunk * (k + 1) + c) * LANES; }

  // Call f(frame, place in the strip) for the frames of a strip.
  template <class F>
  OTSEG_INLINE void places(const Layout& s, int64_t strip, const F& f) {
    for (int64_t lane = 0; lane < LANES; ++lane)
      for (int64_t v = 0; v < VECS; ++v) {
        const int64_t frame = lane * s.length + strip * VECS + v;
        if (frame < s.frames) f(frame, v * LANES + lane);
      }
  }

  // Read the problem. Returns the range of the cost over frames with mass.
  double prepare(int64_t p) {
    const T* a = static_cast<const T*>(batch.a) + p * batch.n;
    const T* b = static_cast<const T*>(batch.b) + p * k;
    const auto value = [p](const void* x) { return double(static_cast<const T*>(x)[p]); };
    epsilon = value(batch.epsilon), rho_a = value(batch.rho_a), rho_b = value(batch.rho_b);
    weight = value(batch.weight);
    exact = std::isinf(rho_a);
    // Denormal numbers count as 0.
    const auto normal = [](T x) { return x >= std::numeric_limits<T>::min() ? x : T(0); };
    frames = batch.n;  // those after the last with mass take no part
    while (frames > 1 && !(normal(a[frames - 1]) > 0)) --frames;
    r = std::min(batch.half_width[p], frames);
    strips = (frames + STRIP - 1) / STRIP;
    length = strips * VECS;
    row = strips * STRIP + 2 * MARGIN;
    if (row / MARGIN % 2 == 0) row += MARGIN;  // an odd number of cache lines: rows do not compete for the same sets
    // Chunks are what threads share; they depend on the sizes alone, so that results do not depend on threads.
    strips_per_chunk = std::max<int64_t>({1, 8192 / (STRIP * k), (strips + 63) / 64});
    chunks = (strips + strips_per_chunk - 1) / strips_per_chunk;
    strips_per_chunk = (strips + (chunks + 3) / 4 * 4 - 1) / ((chunks + 3) / 4 * 4);  // four, eight, ... equal ones
    chunks = (strips + strips_per_chunk - 1) / strips_per_chunk;
    const int64_t padded = strips * STRIP, tiles = k * padded, wide = tiles + padded;
    cost = entries_.get<T>(3 * tiles + 2 * wide + 2 * padded + (k + 1) * row);
    m = cost + tiles, m_new = m + tiles, w = m_new + tiles, w_new = w + wide, drop = w_new + wide;
    drop_new = drop + padded, plan = drop_new + padded + MARGIN;
    for (Buffer<T>* buffer : {&b_, &term_}) buffer->get(k);
    for (Buffer<double>* buffer : {&log_b_, &penalty_, &found_}) buffer->get(k);
    std::memset(a_.get(padded), 0, sizeof(T) * padded);
    lane_stride = (k + 1) * LANES + MARGIN;  // threads write them all the time: they share no cache line
    sum_stride = 2 + 8;
    lanes_.get(chunks * lane_stride);
    sums_.get(chunks * sum_stride);
    energies_.get((k + 1) * 16);
    before_.get((chunks + 1) * (k + 1) * LANES);
    std::fill(before(0, 0), before(1, 0), 0.0);
    mass = mass_b = 0;
    for (int64_t strip = 0; strip < strips; ++strip)
      places(*this, strip, [&](int64_t f, int64_t at) { mass += a_.get()[strip * STRIP + at] = normal(a[f]); });
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      double* sums = before(chunk + 1, k);
      std::copy(before(chunk, k), before(chunk, k) + LANES, sums);
      for (int64_t i = chunk * strips_per_chunk * STRIP; i < end_of(chunk) * STRIP; ++i) sums[i % LANES] += a_.get()[i];
    }
    for (int64_t c = 0; c < k; ++c) {
      b_.get()[c] = normal(b[c]);
      log_b_.get()[c] = b_.get()[c] > 0 ? std::log2(double(b[c])) : NOTHING;
      mass_b += b_.get()[c];
      penalty_.get()[c] = 0;
    }
    crew->run(chunks, [&](int64_t chunk) { read_chunk(p, chunk); });
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      low = std::min(low, sums_.get()[2 * chunk]);
      high = std::max(high, sums_.get()[2 * chunk + 1]);
    }
    return high - low;
  }

  // A strip of a strided (N, K) array, where there are frames.
  void read(const T* from, const int64_t* strides, int64_t strip, T* to) const {
    places(*this, strip, [&](int64_t frame, int64_t at) {
      for (int64_t c = 0; c < k; ++c) to[c * STRIP + at] = from[frame * strides[1] + c * strides[2]];
    });
  }

  OTSEG_CALLED void read_chunk(int64_t p, int64_t chunk) {
    const T* costs = static_cast<const T*>(batch.cost) + p * batch.cost_strides[0];
    const T* start = static_cast<const T*>(batch.init) + p * batch.init_strides[0];
    Vec low = broadcast(std::numeric_limits<T>::infinity()), high = broadcast(-std::numeric_limits<T>::infinity());
    for (int64_t strip = chunk * strips_per_chunk; strip < end_of(chunk); ++strip) {
      T *x = tile(cost, strip, k), *y = tile(m, strip, k), *near = tile(w, strip, k + 1);
      read(costs, batch.cost_strides, strip, x);
      if (batch.init != nullptr) read(start, batch.init_strides, strip, y);
      for (int64_t v = 0; v < VECS; ++v) {
        const Vec a = load(a_.get() + strip * STRIP + v * LANES);
        const SignedVec massive = a > Vec{};
        store(plan + k * row + strip * STRIP + v * LANES, a);
        store(drop + strip * STRIP + v * LANES, Vec{});
        for (int64_t c = 0; c < k; ++c) {
          const int64_t i = c * STRIP + v * LANES;
          const Vec value = select(massive, load(x + i), Vec{});  // a frame without mass may hold anything
          const Vec density = batch.init == nullptr ? Vec{} : select(massive, load(y + i), Vec{});
          store(x + i, value);
          store(y + i, density * T(1 / LN2) + T(log_b_.get()[c]));
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
};
