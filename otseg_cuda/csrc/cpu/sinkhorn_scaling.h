// The stored kernel of a Sinkhorn problem and a sweep by it; see sinkhorn.cpp for the idea. Included by sinkhorn_loop.h
// once per type and instruction set; hence no include guard.

#include "sinkhorn_columns.h"

// Where sums and scalings may be. Entries of the kernel below the smallest normal number count as 0; within these
// bounds all of them together change no sum by more than rounding does.
static constexpr double SUM_LOW = SINGLE ? 1e-14 : 1e-100;
static constexpr double SUM_HIGH = SINGLE ? 1e24 : 1e200;
static constexpr double SCALING_HIGH = SINGLE ? 1e12 : 1e100;
static constexpr double SHIFT = SINGLE ? 40 : 200;  // how much a column of the kernel may be lifted

struct Scaling : Columns {
  double tau_a;
  bool lazy_f, stale, rows_bad;
  Buffer<T> kernel_, u_, f_, reference_f_, weight_, shifted_, lifted_, lanes_;
  Buffer<double> g_, target_, reference_g_;
  Buffer<int64_t> wrong_;
  Buffer<char> chunk_bad_;

  void prepare(const T* a, const T* b, const T* f) {
    Columns::prepare(a, b);
    const int64_t padded = tiles * WIDTH;
    kernel_.get(padded * k);
    for (Buffer<T>* buffer : {&u_, &f_, &reference_f_}) buffer->get(padded);
    for (Buffer<T>* buffer : {&weight_, &shifted_, &lifted_}) buffer->get(k);
    for (Buffer<double>* buffer : {&g_, &target_, &reference_g_}) buffer->get(k);
    lanes_.get(chunks * k * LANES);
    chunk_bad_.get(chunks);
    wrong_.get(k);
    for (int64_t i = 0; i < padded; ++i) f_.get()[i] = f[rows[std::min(i, n - 1)]];
    std::fill_n(g_.get(), k, 0.0);
    lazy_f = false;
    stale = true;
  }

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

  // Potentials of rows without mass, among them the padding: no other value depends on them. Not inlined, so that which
  // products of the logarithm are fused does not depend on the caller.
  __attribute__((noinline)) void finish_rows(int64_t total_rows, T* f_out) {
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
