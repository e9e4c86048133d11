// The implicit gradient of one Sinkhorn problem; see sinkhorn_adjoint.cpp for the idea. Included once per type and
// instruction set, inside of a namespace that has defined T; hence no include guard.

static constexpr int WIDTH = 256 / sizeof(T);  // frames of a tile
static constexpr int VECS = 256 / OTSEG_BYTES;
static constexpr int64_t CHUNK = 16;  // tiles that a thread takes at once: sums do not depend on how many there are
static constexpr T NEVER = -std::numeric_limits<T>::infinity();
static constexpr int DOWN = 2, ACROSS = 4;  // block of the product that stays in registers

// Call `work` for 0, ..., count - 1, in parallel where the caller is not.
template <class Work>
void each(int64_t count, const Work& work) {
  torch::stable::parallel_for(0, count, 1, [&work](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) work(i);
  });
}

struct Adjoint {
  const T* score;
  int64_t row_stride, column_stride, n, k;
  double tau_a, tau_b;
  T* out;  // gradient of the score
  int64_t out_row_stride, out_column_stride;

  int64_t tiles, chunks;
  Buffer<T> rows_, columns_;                    // both normalized matrices, in tiles: frames contiguous
  Buffer<T> shift_a_, shift_b_, grad_f_, x_;    // of frames, padded to whole tiles; `shift_b_` of actions
  Buffer<T> row_lse_, tau_y_;
  Buffer<double> peak_, mass_;                  // of every column in every tile
  Buffer<double> column_lse_, matrix_, y_, partial_, row_gradient_;

  void prepare(const T* log_a, const T* log_b, const T* f, const T* g, const T* grad_f) {
    tiles = (n + WIDTH - 1) / WIDTH;
    chunks = (tiles + CHUNK - 1) / CHUNK;
    const int64_t padded = tiles * WIDTH;
    rows_.get(padded * k), columns_.get(padded * k);
    for (Buffer<T>* buffer : {&shift_a_, &grad_f_, &x_, &row_lse_}) buffer->get(padded);
    for (int64_t i = 0; i < padded; ++i) {
      shift_a_.get()[i] = i < n ? f[i] + log_a[i] : NEVER;
      grad_f_.get()[i] = i < n ? grad_f[i] : T(0);
    }
    shift_b_.get(k), tau_y_.get(k);
    for (int64_t c = 0; c < k; ++c) shift_b_.get()[c] = g[c] + log_b[c];
    peak_.get(tiles * k), mass_.get(tiles * k);
    column_lse_.get(k), y_.get(k), matrix_.get(k * k);
    partial_.get(std::max<int64_t>(1, std::min<int64_t>(chunks, 64)) * k * (k + 1)), row_gradient_.get(chunks * k);
  }

  void read(int64_t first, int64_t count, T* to) const {
    const T* from = score + first * row_stride;
    for (int64_t c = 0; c < k && row_stride == 1; ++c)
      std::copy_n(from + c * column_stride, count, to + c * WIDTH);
    for (int64_t j = 0; j < count && row_stride != 1; ++j)
      for (int64_t c = 0; c < k; ++c) to[c * WIDTH + j] = from[j * row_stride + c * column_stride];
    for (int64_t c = 0; c < k && count < WIDTH; ++c) std::fill(to + c * WIDTH + count, to + (c + 1) * WIDTH, NEVER);
  }

  // Both matrices in one tile: rows normalized, columns relative to their peak in the tile.
  void exponentials(int64_t tile) {
    const int64_t first = tile * WIDTH;
    T *rows = rows_.get() + first * k, *columns = columns_.get() + first * k;
    double *peaks = peak_.get() + tile * k, *masses = mass_.get() + tile * k;
    read(first, std::min<int64_t>(WIDTH, n - first), rows);
    Vec peak[VECS], total[VECS], shift[VECS];
    for (int v = 0; v < VECS; ++v) {
      peak[v] = broadcast(NEVER), total[v] = Vec{};
      shift[v] = load(shift_a_.get() + first + v * LANES);
    }
    for (int64_t c = 0; c < k; ++c) {
      T *row = rows + c * WIDTH, *column = columns + c * WIDTH;
      Vec best = broadcast(NEVER), sums = Vec{};
      for (int v = 0; v < VECS; ++v) {
        const Vec s = load(row + v * LANES), y = s + shift[v];
        peak[v] = maximum(peak[v], s + shift_b_.get()[c]);
        best = maximum(best, y);
        store(column + v * LANES, y);
      }
      const T top = max(best);
      if (top == NEVER) {
        std::fill_n(column, WIDTH, T(0));
      } else {
        for (int v = 0; v < VECS; ++v) {
          const Vec y = exp(load(column + v * LANES) - top);
          sums += y;
          store(column + v * LANES, y);
        }
      }
      peaks[c] = top;
      masses[c] = sum(sums);
    }
    for (int v = 0; v < VECS; ++v) peak[v] = select(peak[v] == broadcast(NEVER), Vec{}, peak[v]);
    for (int64_t c = 0; c < k; ++c)
      for (int v = 0; v < VECS; ++v) {
        T* row = rows + c * WIDTH + v * LANES;
        const Vec y = exp(load(row) + shift_b_.get()[c] - peak[v]);
        total[v] += y;
        store(row, y);
      }
    for (int v = 0; v < VECS; ++v) {
      const SignedVec empty = total[v] == Vec{};  // frames beyond the end
      total[v] = select(empty, broadcast(T(1)), total[v]);
      store(row_lse_.get() + first + v * LANES, select(empty, Vec{}, peak[v] + log(total[v])));
      total[v] = T(1) / total[v];
    }
    for (int64_t c = 0; c < k; ++c)
      for (int v = 0; v < VECS; ++v) {
        T* row = rows + c * WIDTH + v * LANES;
        store(row, load(row) * total[v]);
      }
  }

  void sum_columns() {
    for (int64_t c = 0; c < k; ++c) {
      double top = -std::numeric_limits<double>::infinity(), mass = 0;
      for (int64_t tile = 0; tile < tiles; ++tile) top = std::max(top, peak_.get()[tile * k + c]);
      for (int64_t tile = 0; tile < tiles; ++tile)
        if (mass_.get()[tile * k + c] > 0)
          mass += mass_.get()[tile * k + c] * std::exp(peak_.get()[tile * k + c] - top);
      column_lse_.get()[c] = mass > 0 ? top + std::log(mass) : 0;
    }
  }

  // Normalize the columns of a chunk, then its part of A^T B, and of A^T grad_f behind it.
  void products(int64_t chunk, double* product) {
    const int64_t begin = chunk * CHUNK, end = std::min(tiles, begin + CHUNK), size = WIDTH * k;
    for (int64_t tile = begin; tile < end; ++tile)
      for (int64_t c = 0; c < k; ++c) {
        T* column = columns_.get() + tile * size + c * WIDTH;
        const T scale = T(std::exp(peak_.get()[tile * k + c] - column_lse_.get()[c]));
        for (int v = 0; v < VECS; ++v) store(column + v * LANES, load(column + v * LANES) * scale);
      }
    double* right = product + k * k;
    for (int64_t i = 0; i < k; i += DOWN) {
      const T* a[DOWN];
      for (int d = 0; d < DOWN; ++d) a[d] = rows_.get() + begin * size + std::min(i + d, k - 1) * WIDTH;
      for (int64_t j = 0; j < k; j += ACROSS) {
        const T* b[ACROSS];
        for (int e = 0; e < ACROSS; ++e) b[e] = columns_.get() + begin * size + std::min(j + e, k - 1) * WIDTH;
        Vec total[DOWN][ACROSS] = {};
        for (int64_t tile = 0, at = 0; tile < end - begin; ++tile, at = tile * size)
          for (int v = 0; v < VECS; ++v, at += LANES) {
            Vec x[DOWN];
            for (int d = 0; d < DOWN; ++d) x[d] = load(a[d] + at);
            for (int e = 0; e < ACROSS; ++e) {
              const Vec y = load(b[e] + at);
              for (int d = 0; d < DOWN; ++d) total[d][e] += x[d] * y;
            }
          }
        for (int d = 0; d < DOWN && i + d < k; ++d)
          for (int e = 0; e < ACROSS && j + e < k; ++e) product[(i + d) * k + j + e] = sum(total[d][e]);
      }
      for (int d = 0; d < DOWN && i + d < k; ++d) {
        Vec total = {};
        for (int64_t tile = 0; tile < end - begin; ++tile)
          for (int v = 0; v < VECS; ++v)
            total += load(a[d] + tile * size + v * LANES) *
                     load(grad_f_.get() + (begin + tile) * WIDTH + v * LANES);
        right[i + d] = sum(total);
      }
    }
  }

  // Solve (1 - tau_a tau_b A^T B) y = grad_g - tau_a A^T grad_f, made regular as in the reference.
  void solve(const T* grad_g) {
    const int64_t size = k * (k + 1), group = std::min<int64_t>(chunks, 64);
    double *matrix = matrix_.get(), *y = y_.get(), *partial = partial_.get();
    std::fill_n(matrix, k * k, 0.0), std::fill_n(y, k, 0.0);
    for (int64_t begin = 0; begin < chunks; begin += group) {
      const int64_t count = std::min(group, chunks - begin);
      each(count, [&](int64_t i) { products(begin + i, partial + i * size); });
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t e = 0; e < k * k; ++e) matrix[e] += partial[i * size + e];
        for (int64_t c = 0; c < k; ++c) y[c] += partial[i * size + k * k + c];
      }
    }
    const double tau = tau_a * tau_b, constant = tau == 1 ? 1.0 / k : 0;
    for (int64_t e = 0; e < k * k; ++e) matrix[e] = constant - tau * matrix[e];
    for (int64_t c = 0; c < k; ++c) {
      matrix[c * k + c] += 1 + 8 * double(std::numeric_limits<T>::epsilon());
      y[c] = grad_g[c] - tau_a * y[c];
    }
    eliminate(matrix, y, k);
    for (int64_t c = 0; c < k; ++c) tau_y_.get()[c] = T(tau_b * y[c]);
  }

  // Gauss's elimination with partial pivoting, in place.
  static void eliminate(double* matrix, double* right, int64_t size) {
    for (int64_t i = 0; i < size; ++i) {
      double* row = matrix + i * size;
      int64_t pivot = i;
      for (int64_t j = i + 1; j < size; ++j)
        if (std::abs(matrix[j * size + i]) > std::abs(matrix[pivot * size + i])) pivot = j;
      if (pivot != i) {
        std::swap_ranges(row, row + size, matrix + pivot * size);
        std::swap(right[i], right[pivot]);
      }
      for (int64_t j = i + 1; j < size; ++j) {
        double* other = matrix + j * size;
        const double factor = other[i] / row[i];
        if (factor == 0) continue;
        for (int64_t c = i + 1; c < size; ++c) other[c] -= factor * row[c];
        right[j] -= factor * right[i];
      }
    }
    for (int64_t i = size - 1; i >= 0; --i) {
      for (int64_t c = i + 1; c < size; ++c) right[i] -= matrix[i * size + c] * right[c];
      right[i] /= matrix[i * size + i];
    }
  }

  // x = grad_f - tau_b B y and the gradient of the score in the tiles of a chunk.
  void gradients(int64_t chunk) {
    double* row_gradient = row_gradient_.get() + chunk * k;
    std::fill_n(row_gradient, k, 0.0);
    const Vec tau = broadcast(T(tau_a));
    Buffer<T> transposed;
    if (out_row_stride != 1) transposed.get(WIDTH * k);
    for (int64_t tile = chunk * CHUNK; tile < std::min(tiles, (chunk + 1) * CHUNK); ++tile) {
      const int64_t first = tile * WIDTH, count = std::min<int64_t>(WIDTH, n - first);
      const T *rows = rows_.get() + first * k, *columns = columns_.get() + first * k;
      Vec x[VECS];
      for (int v = 0; v < VECS; ++v) x[v] = load(grad_f_.get() + first + v * LANES);
      for (int64_t c = 0; c < k; ++c)
        for (int v = 0; v < VECS; ++v) x[v] -= load(columns + c * WIDTH + v * LANES) * tau_y_.get()[c];
      for (int v = 0; v < VECS; ++v) store(x_.get() + first + v * LANES, x[v]);
      for (int64_t c = 0; c < k; ++c) {
        alignas(64) T gradient[WIDTH];
        Vec total = {};
        for (int v = 0; v < VECS; ++v) {
          const Vec from_row = tau * x[v] * load(rows + c * WIDTH + v * LANES);
          total += from_row;
          store(gradient + v * LANES, -from_row - load(columns + c * WIDTH + v * LANES) * tau_y_.get()[c]);
        }
        row_gradient[c] += sum(total);
        std::copy_n(gradient, out_row_stride == 1 ? count : WIDTH,
                    out_row_stride == 1 ? out + first + c * out_column_stride : transposed.get() + c * WIDTH);
      }
      for (int64_t j = 0; j < count && out_row_stride != 1; ++j)
        for (int64_t c = 0; c < k; ++c)
          out[(first + j) * out_row_stride + c * out_column_stride] = transposed.get()[c * WIDTH + j];
    }
  }

  void run(const Problem<T>& p) {
    prepare(p.log_a, p.log_b, p.f, p.g, p.grad_f);
    each(tiles, [this](int64_t tile) { exponentials(tile); });
    sum_columns();
    solve(p.grad_g);
    each(chunks, [this](int64_t chunk) { gradients(chunk); });
    double tau_a_gradient = 0, tau_b_gradient = 0;
    for (int64_t i = 0; i < n; ++i) {
      p.grad_log_a[i] = x_.get()[i] - grad_f_.get()[i];
      tau_a_gradient -= double(x_.get()[i]) * row_lse_.get()[i];
    }
    for (int64_t c = 0; c < k; ++c) {
      double total = 0;
      for (int64_t chunk = 0; chunk < chunks; ++chunk) total += row_gradient_.get()[chunk * k + c];
      p.grad_log_b[c] = T(-total);
      tau_b_gradient -= y_.get()[c] * column_lse_.get()[c];
    }
    *p.grad_tau_a = T(tau_a_gradient);
    *p.grad_tau_b = T(tau_b_gradient);
  }
};

// Differentiate the problems [begin, end) of a batch one after the other.
static void adjoint_range(const Batch& batch, int64_t begin, int64_t end) {
  Adjoint adjoint;
  adjoint.n = batch.rows.size, adjoint.k = batch.columns.size;
  adjoint.row_stride = batch.rows.stride, adjoint.column_stride = batch.columns.stride;
  adjoint.out_row_stride = batch.rows.out_stride, adjoint.out_column_stride = batch.columns.out_stride;
  for (int64_t i = begin; i < end; ++i) {
    const auto in = [&](const void* data, int64_t size) { return static_cast<const T*>(data) + i * size; };
    const auto out = [&](void* data, int64_t size) { return static_cast<T*>(data) + i * size; };
    const Side &a = batch.rows, &b = batch.columns;
    adjoint.score = in(batch.score, batch.stride);
    adjoint.out = out(batch.out, batch.out_stride);
    adjoint.tau_a = *in(a.tau, 1), adjoint.tau_b = *in(b.tau, 1);
    adjoint.run({in(a.log_mass, a.size), in(b.log_mass, b.size), in(a.potential, a.size), in(b.potential, b.size),
                 in(a.grad, a.size), in(b.grad, b.size), out(a.grad_log_mass, a.size), out(b.grad_log_mass, b.size),
                 out(a.grad_tau, 1), out(b.grad_tau, 1)});
  }
}
