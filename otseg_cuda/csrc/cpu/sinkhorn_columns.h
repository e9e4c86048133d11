// One Sinkhorn problem and the sums of its columns in the log domain; see sinkhorn.cpp for the idea. Included by
// sinkhorn_scaling.h once per type and instruction set; hence no include guard.

static constexpr int WIDTH = 256 / sizeof(T);  // frames of a tile
static constexpr int VECS = 256 / OTSEG_BYTES;

struct Columns {
  // The problem: rows and columns with mass come first in these lists, those without after them.
  const T* score;
  int64_t row_stride, column_stride;
  int64_t n, k;
  const int64_t *rows, *columns;

  int64_t tiles, tiles_per_chunk, chunks;
  Buffer<T> a_, log_a_;
  Buffer<double> b_, log_b_, partial_, peak_;

  void prepare(const T* a, const T* b) {
    tiles = (n + WIDTH - 1) / WIDTH;
    // Chunks are what threads share; they depend on the sizes alone, so that results do not depend on threads.
    tiles_per_chunk = std::max<int64_t>({1, 16384 / (WIDTH * std::max<int64_t>(k, 1)), (tiles + 63) / 64});
    chunks = (tiles + tiles_per_chunk - 1) / tiles_per_chunk;
    for (Buffer<T>* buffer : {&a_, &log_a_}) buffer->get(tiles * WIDTH);
    for (Buffer<double>* buffer : {&b_, &log_b_}) buffer->get(k);
    for (int64_t i = 0; i < tiles * WIDTH; ++i) {
      const int64_t row = rows[std::min(i, n - 1)];  // the last tile repeats a row, without mass
      a_.get()[i] = i < n ? a[row] : T(0);
      log_a_.get()[i] = i < n ? std::log(a[row]) : -std::numeric_limits<T>::infinity();
    }
    for (int64_t c = 0; c < k; ++c) {
      b_.get()[c] = b[columns[c]];
      log_b_.get()[c] = std::log(b_.get()[c]);
    }
  }

  const T* entry(int64_t row, int64_t column) const { return score + row * row_stride + column * column_stride; }

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
};
