// The implicit gradient of a batch of Sinkhorn problems. The reference is otseg/ops/sinkhorn_gradient.py.
//
// With A and B the plan with rows, and with columns, normalized, one kernel after the other:
//
//     sums       peak and total of every row; of every column, in each chunk of rows
//     columns    the same of whole columns
//     product    A^T B and A^T grad_f in each chunk (sinkhorn_adjoint_system.cuh)
//     matrix     their sums over the chunks, and the system that they make
//     solve      it: y, and what every column gets of it
//     gradient   x and the gradient of the scores; column sums in each chunk
//     finish     the sums over the chunks
//
// Nothing iterates, so nothing needs to meet inside of a launch, and blocks need not run at the same time. A and B are
// never stored: where they are needed they are made again from scores, peaks and totals, so that rows and columns sum
// to 1 up to rounding. A chunk is a block; its tiles of rows lie in shared memory, read along the axis that is
// contiguous. How rows are cut into chunks depends on K alone while they are few, and sums are added up in order.
#pragma once

#include "device.cuh"

namespace otseg {

constexpr int ADJOINT_THREADS = 256;
constexpr int MOST_COLUMNS = ADJOINT_THREADS;  // a thread per column; DIRECT_UP_TO of the reference
// Rows of a tile, and the threads that share a row.
template <class T>
constexpr int TILE_ROWS = sizeof(T) == 4 ? 32 : 16;
template <class T>
constexpr int ROW_LANES = ADJOINT_THREADS / TILE_ROWS<T>;

// What belongs to the rows, or to the columns, of all problems.
template <class T>
struct Side {
  const T *log_mass, *tau, *potential, *grad;
  T *grad_log_mass, *grad_tau;
};

template <class T>
struct Adjoint {
  const T* score;
  T* out;
  int64_t strides[3], out_strides[3];  // of problems, rows, columns
  Side<T> rows, columns;
  int64_t problems, n, chunk_rows;
  int k, chunks;
  bool wants_tau, shared_matrix;
  // Work memory:
  T *row_peak, *row_total;           // (problems, n)
  T *chunk_peak, *chunk_total;       // (problems, chunks, k)
  double *column_peak, *column_total;  // (problems, k)
  double* system;                    // (problems, chunks, k (k + 1)): products, then the system in the first chunk
  double* parts;                     // (problems, chunks, k + 1): sums of columns, and the part of grad_tau
};

__host__ __device__ inline int tile_stride(int k) { return k | 1; }  // rows of a tile begin in different banks

// Where a block of a kernel over chunks is.
template <class T>
struct Place {
  int64_t problem, first, end;  // rows
  int chunk;

  __device__ __forceinline__ Place(const Adjoint<T>& in, int64_t block)
      : problem(block / in.chunks), chunk(int(block % in.chunks)) {
    first = chunk * in.chunk_rows;
    end = first + in.chunk_rows < in.n ? first + in.chunk_rows : in.n;
  }
};

// Call `visit(row, column)` for every entry of a tile of `rows` and `columns`, neighbors in memory by neighbors.
template <class Visit>
__device__ __forceinline__ void each_entry(int rows, int columns, bool rows_contiguous, const Visit& visit) {
  const int width = rows_contiguous ? rows : columns;
  for (int at = threadIdx.x; at < rows * columns; at += blockDim.x) {
    const int high = at / width, low = at % width;
    visit(rows_contiguous ? low : high, rows_contiguous ? high : low);
  }
}

// A tile of scores, minus infinity beyond the end.
template <class T>
__device__ __forceinline__ void load_tile(const Adjoint<T>& in, const Place<T>& place, int64_t first, T* tile) {
  const T* from = in.score + place.problem * in.strides[0];
  each_entry(TILE_ROWS<T>, in.k, in.strides[1] < in.strides[2], [&](int row, int column) {
    const bool inside = first + row < place.end;
    tile[row * tile_stride(in.k) + column] =
        inside ? from[(first + row) * in.strides[1] + column * in.strides[2]] : -infinity<T>();
  });
}

// What a side adds to the scores.
template <class T>
__device__ __forceinline__ T shift(const Side<T>& side, int64_t at) {
  return side.potential[at] + side.log_mass[at];
}

// exp(x) relative to a sum of exponentials; 0 where nothing was summed. The exact exponential, since rows and columns
// must sum to 1.
template <class T>
__device__ __forceinline__ T normalized(T x, T peak, T scale) {
  return scale > 0 ? exp(x - peak) * scale : T(0);
}
template <class T>
__device__ __forceinline__ T inverse(T total) {
  return total > 0 ? 1 / total : T(0);
}
// The log of a sum of exponentials; 0 where nothing was summed.
template <class T>
__device__ __forceinline__ T log_of(T peak, T total) {
  return total > 0 ? peak + log(total) : T(0);
}

// The column of a thread and its part of the rows of a tile, where K threads or more share the columns.
struct Column {
  int column, group, groups;
  bool active;

  __device__ __forceinline__ explicit Column(int k)
      : column(threadIdx.x % k), group(threadIdx.x / k), groups(blockDim.x / k), active(group < groups) {}
};

// Peak and total of every row; of every column in the chunk.
template <class T>
__global__ void __launch_bounds__(ADJOINT_THREADS) adjoint_sums_kernel(const __grid_constant__ Adjoint<T> in) {
  OTSEG_SHARED(memory);
  const int k = in.k, stride = tile_stride(k);
  T *tile = reinterpret_cast<T*>(memory), *of_columns = tile + TILE_ROWS<T> * stride, *of_rows = of_columns + k;
  const Place<T> place(in, blockIdx.x);
  const Column mine(k);
  if (int(threadIdx.x) < k) of_columns[threadIdx.x] = shift(in.columns, place.problem * k + threadIdx.x);
  LogSum<T> sum;
  for (int64_t first = place.first; first < place.end; first += TILE_ROWS<T>) {
    __syncthreads();  // the tile before has been read
    load_tile(in, place, first, tile);
    if (int(threadIdx.x) < TILE_ROWS<T> && first + threadIdx.x < place.end)
      of_rows[threadIdx.x] = shift(in.rows, place.problem * in.n + first + threadIdx.x);
    __syncthreads();
    const int row = threadIdx.x / ROW_LANES<T>, lane = threadIdx.x % ROW_LANES<T>;
    T peak = -infinity<T>(), total = 0;
    for (int column = lane; column < k; column += ROW_LANES<T>)
      peak = larger(peak, tile[row * stride + column] + of_columns[column]);
    peak = lanes_max(peak, 1, ROW_LANES<T>);
    for (int column = lane; column < k && peak > -infinity<T>(); column += ROW_LANES<T>)
      total += exp(tile[row * stride + column] + of_columns[column] - peak);
    total = lanes_sum(total, 1, ROW_LANES<T>);
    if (lane == 0 && first + row < place.end) {
      in.row_peak[place.problem * in.n + first + row] = peak;
      in.row_total[place.problem * in.n + first + row] = total;
    }
    if (!mine.active) continue;
    const int count = place.end - first < TILE_ROWS<T> ? int(place.end - first) : TILE_ROWS<T>;
    T top = sum.peak;
    for (int i = mine.group; i < count; i += mine.groups)
      top = larger(top, tile[i * stride + mine.column] + of_rows[i]);
    if (!(top > -infinity<T>())) continue;
    sum.total *= exp(sum.peak - top);
    sum.peak = top;
    for (int i = mine.group; i < count; i += mine.groups)
      sum.total += exp(tile[i * stride + mine.column] + of_rows[i] - top);
  }
  __syncthreads();
  T *peaks = tile, *totals = peaks + ADJOINT_THREADS;
  peaks[threadIdx.x] = sum.peak;
  totals[threadIdx.x] = sum.total;
  __syncthreads();
  if (int(threadIdx.x) >= k) return;
  LogSum<double> whole;
  for (int group = 0; group < mine.groups; ++group)
    whole.add(double(peaks[group * k + threadIdx.x]), double(totals[group * k + threadIdx.x]));
  in.chunk_peak[int64_t(blockIdx.x) * k + threadIdx.x] = T(whole.peak);
  in.chunk_total[int64_t(blockIdx.x) * k + threadIdx.x] = T(whole.total);
}

// Peak and total of whole columns; a block per problem, a warp per column.
template <class T>
__global__ void __launch_bounds__(ADJOINT_THREADS) adjoint_columns_kernel(const __grid_constant__ Adjoint<T> in) {
  const int64_t problem = blockIdx.x;
  const int lane = threadIdx.x % 32;
  for (int column = threadIdx.x / 32; column < in.k; column += blockDim.x / 32) {
    LogSum<double> whole;
    for (int chunk = lane; chunk < in.chunks; chunk += 32) {
      const int64_t at = (problem * in.chunks + chunk) * in.k + column;
      whole.add(double(in.chunk_peak[at]), double(in.chunk_total[at]));
    }
    whole = lanes_log_sum(whole, 1, 32);
    if (lane == 0) {
      in.column_peak[problem * in.k + column] = whole.peak;
      in.column_total[problem * in.k + column] = whole.total;
    }
  }
}

// The gradient of the scores in a chunk, from y; the gradient of its rows, and sums for that of the columns.
template <class T>
__global__ void __launch_bounds__(ADJOINT_THREADS) adjoint_gradient_kernel(const __grid_constant__ Adjoint<T> in) {
  OTSEG_SHARED(memory);
  const int k = in.k, stride = tile_stride(k), size = TILE_ROWS<T> * stride;
  double* scratch = reinterpret_cast<double*>(memory);  // 64 numbers, and one per thread
  T *tile = reinterpret_cast<T*>(scratch + 64 + ADJOINT_THREADS), *from_rows = tile + size;
  T *of_columns = from_rows + size, *peaks = of_columns + k, *scales = peaks + k, *answers = scales + k;
  const Place<T> place(in, blockIdx.x);
  const Column mine(k);
  const T tau_a = in.rows.tau[place.problem], tau_b = in.columns.tau[place.problem];
  if (const int column = threadIdx.x; column < k) {
    const int64_t at = place.problem * k + column;
    of_columns[column] = shift(in.columns, at);
    peaks[column] = T(in.column_peak[at]);
    scales[column] = T(inverse(in.column_total[at]));
    answers[column] = T(tau_b * in.system[place.problem * in.chunks * k * (k + 1) + k * k + column]);
  }
  double sum = 0, part = 0;
  for (int64_t first = place.first; first < place.end; first += TILE_ROWS<T>) {
    __syncthreads();  // the tile before has been read
    load_tile(in, place, first, tile);
    __syncthreads();
    const int row = threadIdx.x / ROW_LANES<T>, lane = threadIdx.x % ROW_LANES<T>;
    const bool inside = first + row < place.end;
    const int64_t at = place.problem * in.n + (inside ? first + row : place.end - 1);
    const T of_row = shift(in.rows, at), peak = in.row_peak[at], total = in.row_total[at], scale = inverse(total);
    T taken = 0;
    for (int column = lane; column < k; column += ROW_LANES<T>)
      taken += answers[column] * normalized(tile[row * stride + column] + of_row, peaks[column], scales[column]);
    taken = lanes_sum(taken, 1, ROW_LANES<T>);
    const T x = in.rows.grad[at] - taken;
    for (int column = lane; column < k; column += ROW_LANES<T>) {
      T& entry = tile[row * stride + column];
      const T score = entry, from_row = tau_a * x * normalized(score + of_columns[column], peak, scale);
      from_rows[row * stride + column] = from_row;
      entry = -from_row - answers[column] * normalized(score + of_row, peaks[column], scales[column]);
    }
    if (lane == 0 && inside) {
      in.rows.grad_log_mass[at] = -taken;
      part += double(x) * double(log_of(peak, total));
    }
    __syncthreads();
    T in_tile = 0;  // rows beyond the end are 0
    for (int i = mine.group; mine.active && i < TILE_ROWS<T>; i += mine.groups)
      in_tile += from_rows[i * stride + mine.column];
    sum += in_tile;
    const int count = place.end - first < TILE_ROWS<T> ? int(place.end - first) : TILE_ROWS<T>;
    T* to = in.out + place.problem * in.out_strides[0] + first * in.out_strides[1];
    each_entry(count, k, in.out_strides[1] < in.out_strides[2], [&](int i, int column) {
      to[i * in.out_strides[1] + column * in.out_strides[2]] = tile[i * stride + column];
    });
  }
  double *sums = scratch + 64, *parts = in.parts + int64_t(blockIdx.x) * (k + 1);
  sums[threadIdx.x] = sum;
  part = block_sum(part, scratch);
  if (int(threadIdx.x) < k) {
    double whole = 0;
    for (int group = 0; group < mine.groups; ++group) whole += sums[group * k + threadIdx.x];
    parts[threadIdx.x] = whole;
  }
  if (threadIdx.x == 0) parts[k] = part;
}

// The gradients of the columns and of both tau; a block per problem.
template <class T>
__global__ void __launch_bounds__(ADJOINT_THREADS) adjoint_finish_kernel(const __grid_constant__ Adjoint<T> in) {
  OTSEG_SHARED(memory);
  const int k = in.k;
  const int64_t problem = blockIdx.x;
  const auto sum_of = [&](int slot) {
    double whole = 0;
    for (int chunk = 0; chunk < in.chunks; ++chunk) whole += in.parts[(problem * in.chunks + chunk) * (k + 1) + slot];
    return whole;
  };
  double part = 0;
  if (const int column = threadIdx.x; column < k) {
    const int64_t at = problem * k + column;
    in.columns.grad_log_mass[at] = T(-sum_of(column));
    part = in.system[problem * in.chunks * k * (k + 1) + k * k + column] *
           log_of(in.column_peak[at], in.column_total[at]);
  }
  part = block_sum(part, reinterpret_cast<double*>(memory));
  if (threadIdx.x != 0) return;
  in.rows.grad_tau[problem] = in.wants_tau ? T(-sum_of(k)) : T(0);
  in.columns.grad_tau[problem] = in.wants_tau ? T(-part) : T(0);
}

}  // namespace otseg
