// One Sinkhorn problem from potentials to potentials; see sinkhorn.cpp for the idea. Included once per type and
// instruction set, inside of a namespace that has defined T; hence no include guard.

static constexpr int WIDTH = 256 / sizeof(T);  // frames of a tile
static constexpr int VECS = 256 / OTSEG_BYTES;
// Where sums and scalings may be. Entries of the kernel below the smallest normal number count as 0; within these
// bounds all of them together change no sum by more than rounding does.
static constexpr double SUM_LOW = SINGLE ? 1e-14 : 1e-100;
static constexpr double SUM_HIGH = SINGLE ? 1e24 : 1e200;
static constexpr double SCALING_HIGH = SINGLE ? 1e12 : 1e100;
static constexpr double SHIFT = SINGLE ? 40 : 200;  // how much a column of the kernel may be lifted

struct Loop {
  // The problem: rows and columns with mass come first in these lists, those without after them.
  const T* score;
  int64_t row_stride, column_stride;
  int64_t n, k;
  const int64_t *rows, *columns;
  double slope_a, slope_b, tau_a, tau_b;
  bool translate;

  int64_t tiles, tiles_per_chunk, chunks;
  bool lazy_f, stale, rows_bad;
  Buffer<T> kernel_, a_, log_a_, u_, f_, f_before_, reference_f_, weight_, shifted_, lifted_, lanes_;
  Buffer<double> b_, log_b_, g_, target_, reference_g_, partial_, peak_;
  Buffer<int64_t> wrong_;
  Buffer<char> chunk_bad_;

  void prepare(const T* a, const T* b, const T* f) {
    tiles = (n + WIDTH - 1) / WIDTH;
    // Chunks are what threads share; they depend on the sizes alone, so that results do not depend on threads.
    tiles_per_chunk = std::max<int64_t>({1, 16384 / (WIDTH * std::max<int64_t>(k, 1)), (tiles + 63) / 64});
    chunks = (tiles + tiles_per_chunk - 1) / tiles_per_chunk;
    const int64_t padded = tiles * WIDTH;
    kernel_.get(padded * k);
    for (Buffer<T>* buffer : {&a_, &log_a_, &u_, &f_, &f_before_, &reference_f_}) buffer->get(padded);
    for (Buffer<T>* buffer : {&weight_, &shifted_, &lifted_}) buffer->get(k);
    for (Buffer<double>* buffer : {&b_, &log_b_, &g_, &target_, &reference_g_}) buffer->get(k);
    lanes_.get(chunks * k * LANES);
    chunk_bad_.get(chunks);
    wrong_.get(k);
    for (int64_t i = 0; i < padded; ++i) {
      const int64_t row = rows[std::min(i, n - 1)];  // the last tile repeats a row, without mass
      a_.get()[i] = i < n ? a[row] : T(0);
      log_a_.get()[i] = i < n ? std::log(a[row]) : -std::numeric_limits<T>::infinity();
      f_.get()[i] = f[row];
    }
    for (int64_t c = 0; c < k; ++c) {
      b_.get()[c] = b[columns[c]];
      log_b_.get()[c] = std::log(b_.get()[c]);
      g_.get()[c] = 0;
    }
    lazy_f = false;
    stale = true;
  }

  const T* entry(int64_t row, int64_t column) const { return score + row * row_stride + column * column_stride; }

  // Row potentials, from the scalings where these are newer.
  const T* f() {
    if (lazy_f) {
      for (int64_t i = 0; i < tiles * WIDTH; i += LANES)
        store(f_.get() + i, load(reference_f_.get() + i) + log(load(u_.get() + i)));
      lazy_f = false;
    }
    return f_.get();
  }

  // Score plus potentials of up to WIDTH rows as exponentials, frames contiguous, relative to each row's peak.
  void exponentials(const int64_t* from, int64_t count, T* out, Vec* peak) const {
    if (column_stride == 1) {
      for (int64_t j = 0; j < WIDTH; ++j) {
        const T* row = entry(from[std::min(j, count - 1)], 0);
        for (int64_t c = 0; c < k; ++c) out[c * WIDTH + j] = row[columns[c]];
      }
    } else {
      for (int64_t c = 0; c < k; ++c)
        for (int64_t j = 0; j < WIDTH; ++j) out[c * WIDTH + j] = *entry(from[std::min(j, count - 1)], columns[c]);
    }
    for (int v = 0; v < VECS; ++v) peak[v] = broadcast(-std::numeric_limits<T>::infinity());
    for (int64_t c = 0; c < k; ++c)
      for (int v = 0; v < VECS; ++v)
        peak[v] = maximum(peak[v], load(out + c * WIDTH + v * LANES) + shifted_.get()[c]);
    for (int v = 0; v < VECS; ++v)
      peak[v] = select(peak[v] < broadcast(std::numeric_limits<T>::lowest()), Vec{}, peak[v]);
    for (int64_t c = 0; c < k; ++c)
      for (int v = 0; v < VECS; ++v) {
        T* p = out + c * WIDTH + v * LANES;
        store(p, exp((load(p) + lifted_.get()[c]) - peak[v]));  // rounded as the peak was: at most the lift
      }
  }

  // Row sums of a tile of the kernel with the weights of the columns.
  OTSEG_INLINE void row_sums(const T* tile, const T* weight, int64_t k, Vec* sums) {
    for (int v = 0; v < VECS; ++v) sums[v] = Vec{};
    for (int64_t c = 0; c < k; ++c) {
      const Vec w = broadcast(weight[c]);
#pragma GCC unroll 16
      for (int v = 0; v < VECS; ++v) sums[v] += w * load(tile + c * WIDTH + v * LANES);
    }
  }

  // Rows of a chunk from the columns' potentials, then the columns' sums; one pass over the kernel.
  void chunk_pass(int64_t chunk, bool build) {
    T* lanes = lanes_.get() + chunk * k * LANES;
    std::fill(lanes, lanes + k * LANES, T(0));
    const Vec low = broadcast(T(SUM_LOW)), high = broadcast(T(SUM_HIGH)), limit = broadcast(T(SCALING_HIGH));
    SignedVec bad = {};
    const int64_t end = std::min(tiles, (chunk + 1) * tiles_per_chunk);
    for (int64_t tile = chunk * tiles_per_chunk; tile < end; ++tile) {
      T* entries = kernel_.get() + tile * WIDTH * k;
      const int64_t first = tile * WIDTH;
      if (build) {
        Vec peak[VECS];
        exponentials(rows + first, std::min<int64_t>(WIDTH, n - first), entries, peak);
        for (int v = 0; v < VECS; ++v) store(reference_f_.get() + first + v * LANES, -peak[v]);
      }
      Vec r[VECS], w[VECS];
      row_sums(entries, weight_.get(), k, r);
      for (int v = 0; v < VECS; ++v) {
        const int64_t at = first + v * LANES;
        Vec u;
        if (tau_a == 1) {
          u = T(1) / r[v];
        } else {
          const Vec reference = load(reference_f_.get() + at);
          const Vec f = tau_a == 0 ? Vec{} : T(tau_a) * (reference - log(r[v]));
          // Written before it is known to be good: a failed pass is repeated with `build`, which overwrites it.
          store(f_.get() + at, f);
          u = exp(f - reference);
          bad |= (f - reference) > broadcast(EXP_HIGH);
        }
        store(u_.get() + at, u);
        bad |= ~((r[v] >= low) & (r[v] <= high) & (u <= limit));
        w[v] = load(a_.get() + at) * u;
      }
      for (int64_t c = 0; c < k; ++c) {
        Vec total = load(lanes + c * LANES);
#pragma GCC unroll 16
        for (int v = 0; v < VECS; ++v) total += w[v] * load(entries + c * WIDTH + v * LANES);
        store(lanes + c * LANES, total);
      }
    }
    bool any = false;
    for (int i = 0; i < LANES; ++i) any = any || bad[i] != 0;
    chunk_bad_.get()[chunk] = any;
  }

  void run(bool build) {
    if (chunks == 1) {
      chunk_pass(0, build);
    } else {
      torch::stable::parallel_for(0, chunks, 1, [this, build](int64_t begin, int64_t end) {
        for (int64_t chunk = begin; chunk < end; ++chunk) chunk_pass(chunk, build);
      });
    }
    rows_bad = false;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) rows_bad = rows_bad || chunk_bad_.get()[chunk];
  }

  // From `g`: the rows' potentials that belong to it, and the columns' undamped update that belongs to those.
  void pass() {
    const double* g = g_.get();
    double* reference = reference_g_.get();
    bool build = stale;
    for (int64_t c = 0; c < k && !build; ++c) build = !(g[c] - reference[c] <= std::log(SCALING_HIGH));
    for (int attempt = build ? 1 : 0; attempt < 2; ++attempt) {
      build = attempt == 1;
      for (int64_t c = 0; c < k; ++c) {
        if (build) {
          // Rows are relative to their largest entry times mass, so that none is lost however small its mass is.
          const double lift = std::min(std::max(target_.get()[c] - g[c], 0.0), SHIFT + log_b_.get()[c]);
          T lifted = T(g[c] + lift);
          const T shifted = T(g[c] + log_b_.get()[c]);
          if (!(lifted - shifted <= T(2 * SHIFT))) lifted = shifted;  // so large that rounding is all there is
          shifted_.get()[c] = shifted;
          lifted_.get()[c] = lifted;
          reference[c] = lifted;
        }
        weight_.get()[c] = T(b_.get()[c] * std::exp(g[c] - reference[c]));
      }
      run(build);
      if (!rows_bad) break;
    }
    lazy_f = tau_a == 1;
    int64_t wrong = 0;
    for (int64_t c = 0; c < k; ++c) {
      double total = 0;
      for (int64_t chunk = 0; chunk < chunks; ++chunk)
        total += sum(load(lanes_.get() + (chunk * k + c) * LANES));
      if (!rows_bad && total >= SUM_LOW && total <= SUM_HIGH) {
        target_.get()[c] = reference[c] - std::log(total);
      } else {
        wrong_.get()[wrong++] = c;
      }
    }
    stale = rows_bad || (wrong > 0 && !build);  // a fresh kernel may serve them
    if (wrong > 0) columns_by_logarithm(f(), wrong_.get(), wrong, columns, target_.get());
  }

  // Peak and sum of the exponentials of a column over the frames of a chunk.
  void column_chunk(int64_t chunk, const T* f, int64_t column, double& peak, double& total) const {
    peak = -std::numeric_limits<double>::infinity();
    total = 0;
    const int64_t end = std::min(tiles, (chunk + 1) * tiles_per_chunk) * WIDTH;
    for (int64_t first = chunk * tiles_per_chunk * WIDTH; first < end; first += WIDTH) {
      alignas(64) T x[WIDTH];
      for (int64_t j = 0; j < WIDTH; ++j) x[j] = *entry(rows[std::min(first + j, n - 1)], column);
      Vec best = broadcast(-std::numeric_limits<T>::infinity());
      for (int64_t j = 0; j < WIDTH; j += LANES) {
        const Vec y = load(x + j) + (load(f + first + j) + load(log_a_.get() + first + j));
        store(x + j, y);
        best = maximum(best, y);
      }
      const T top = max(best);
      if (top < std::numeric_limits<T>::lowest()) continue;  // nothing is allowed here
      Vec part = {};
      for (int64_t j = 0; j < WIDTH; j += LANES) part += exp(load(x + j) - top);
      if (top > peak) {
        total *= std::exp(peak - top);
        peak = top;
      }
      total += sum(part) * std::exp(top - peak);
    }
  }

  // The undamped update of a few columns in the log domain, for columns `names[list[i]]` into `out[list[i]]`.
  void columns_by_logarithm(const T* f, const int64_t* list, int64_t count, const int64_t* names, double* out) {
    double* peak = peak_.get(chunks * count);
    double* total = partial_.get(chunks * count);
    torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk)
        for (int64_t i = 0; i < count; ++i)
          column_chunk(chunk, f, names[list[i]], peak[chunk * count + i], total[chunk * count + i]);
    });
    for (int64_t i = 0; i < count; ++i) {
      double top = -std::numeric_limits<double>::infinity(), mass = 0;
      for (int64_t chunk = 0; chunk < chunks; ++chunk) top = std::max(top, peak[chunk * count + i]);
      for (int64_t chunk = 0; chunk < chunks; ++chunk)
        if (total[chunk * count + i] > 0) mass += total[chunk * count + i] * std::exp(peak[chunk * count + i] - top);
      out[list[i]] = mass > 0 ? -(top + std::log(mass)) : std::numeric_limits<double>::infinity();
    }
  }

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

  // The same for rows without mass, among them the padding.
  void finish_rows(int64_t total_rows, T* f_out) {
    for (int64_t c = 0; c < k; ++c) {
      shifted_.get()[c] = lifted_.get()[c] = T(g_.get()[c] + log_b_.get()[c]);
      weight_.get()[c] = T(1);
    }
    Buffer<T> tile;
    tile.get(WIDTH * k);
    for (int64_t first = n; first < total_rows; first += WIDTH) {
      const int64_t count = std::min<int64_t>(WIDTH, total_rows - first);
      Vec peak[VECS], r[VECS];
      exponentials(rows + first, count, tile.get(), peak);
      row_sums(tile.get(), weight_.get(), k, r);
      alignas(64) T f[WIDTH];
      for (int v = 0; v < VECS; ++v) store(f + v * LANES, -peak[v] - log(r[v]));
      for (int64_t j = 0; j < count; ++j) f_out[rows[first + j]] = tau_a == 0 ? T(0) : T(tau_a) * f[j];
    }
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
