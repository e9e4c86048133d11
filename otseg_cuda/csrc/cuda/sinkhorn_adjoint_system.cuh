// The linear system of Sinkhorn's implicit gradient, (1 - tau_a tau_b A^T B) y = grad_g - tau_a A^T grad_f, made
// regular as in the reference: its product, its sum, its solution in float64.
#pragma once

#include "sinkhorn_adjoint.cuh"

namespace otseg {

// A^T B in a chunk, a square of L x L entries per block, (L / 16)^2 of them in the registers of a thread; and
// A^T grad_f. Sums of tiles in T, of a chunk in float64.
template <class T, int L>
__global__ void __launch_bounds__(ADJOINT_THREADS) adjoint_product_kernel(const __grid_constant__ Adjoint<T> in) {
  OTSEG_SHARED(memory);
  constexpr int SIDE = 16, EACH = L / SIDE, STRIDE = L + 1, ROWS = TILE_ROWS<T>;
  static_assert(SIDE * SIDE == ADJOINT_THREADS);
  T *rows = reinterpret_cast<T*>(memory), *columns = rows + ROWS * STRIDE, *grads = columns + ROWS * STRIDE;
  const int k = in.k, squares = (k + L - 1) / L, square = int(int64_t(blockIdx.x) % (squares * squares));
  const int64_t block = int64_t(blockIdx.x) / (squares * squares);
  const Place<T> place(in, block);
  const int down = square / squares * L, across = square % squares * L;  // of A, of B
  const int high = threadIdx.x / SIDE, low = threadIdx.x % SIDE;
  const T* score = in.score + place.problem * in.strides[0];
  double sum[EACH][EACH] = {}, right = 0;
  for (int64_t first = place.first; first < place.end; first += ROWS) {
    __syncthreads();  // the tile before has been read
    each_entry(ROWS, L, in.strides[1] < in.strides[2], [&](int i, int column) {
      T from_row = 0, from_column = 0;
      const int64_t row = place.problem * in.n + first + i;
      const T* p = score + (first + i) * in.strides[1];
      if (const int a = down + column; first + i < place.end && a < k)
        from_row = normalized(p[a * in.strides[2]] + shift(in.columns, place.problem * k + a), in.row_peak[row],
                              inverse(in.row_total[row]));
      if (const int b = across + column; first + i < place.end && b < k) {
        const int64_t at = place.problem * k + b;
        from_column = normalized(p[b * in.strides[2]] + shift(in.rows, row), T(in.column_peak[at]),
                                 T(inverse(in.column_total[at])));
      }
      rows[i * STRIDE + column] = from_row;
      columns[i * STRIDE + column] = from_column;
    });
    if (int(threadIdx.x) < ROWS) {
      const int64_t row = first + threadIdx.x;
      grads[threadIdx.x] = row < place.end ? in.rows.grad[place.problem * in.n + row] : T(0);
    }
    __syncthreads();
    T product[EACH][EACH] = {};
    for (int i = 0; i < ROWS; ++i) {
      T a[EACH], b[EACH];
#pragma unroll
      for (int e = 0; e < EACH; ++e) {
        a[e] = rows[i * STRIDE + high + e * SIDE];
        b[e] = columns[i * STRIDE + low + e * SIDE];
      }
#pragma unroll
      for (int d = 0; d < EACH; ++d)
#pragma unroll
        for (int e = 0; e < EACH; ++e) product[d][e] += a[d] * b[e];
    }
#pragma unroll
    for (int d = 0; d < EACH; ++d)
#pragma unroll
      for (int e = 0; e < EACH; ++e) sum[d][e] += product[d][e];
    if (across == 0 && int(threadIdx.x) < L) {
      T in_tile = 0;
      for (int i = 0; i < ROWS; ++i) in_tile += rows[i * STRIDE + threadIdx.x] * grads[i];
      right += in_tile;
    }
  }
  double* out = in.system + block * k * (k + 1);
#pragma unroll
  for (int d = 0; d < EACH; ++d)
#pragma unroll
    for (int e = 0; e < EACH; ++e) {
      const int i = down + high + d * SIDE, j = across + low + e * SIDE;
      if (i < k && j < k) out[i * k + j] = sum[d][e];
    }
  if (across == 0 && int(threadIdx.x) < L && down + int(threadIdx.x) < k) out[k * k + down + threadIdx.x] = right;
}

// The system of every problem, in the place of the products of its first chunk; a thread per entry.
template <class T>
__global__ void __launch_bounds__(ADJOINT_THREADS) adjoint_matrix_kernel(const __grid_constant__ Adjoint<T> in) {
  const int k = in.k, size = k * (k + 1), blocks = (size + ADJOINT_THREADS - 1) / ADJOINT_THREADS;
  const int64_t problem = blockIdx.x / blocks;
  const int at = int(blockIdx.x % blocks) * ADJOINT_THREADS + int(threadIdx.x);
  if (at >= size) return;
  double* system = in.system + problem * in.chunks * size + at;
  double sum = 0;
  for (int chunk = 0; chunk < in.chunks; ++chunk) sum += system[int64_t(chunk) * size];
  const double tau_a = in.rows.tau[problem], tau = tau_a * double(in.columns.tau[problem]);
  if (at < k * k)
    *system = (tau == 1 ? 1.0 / k : 0) - tau * sum + (at / k == at % k ? 1 + 8 * UNIT<T> : 0);
  else
    *system = double(in.columns.grad[problem * k + at - k * k]) - tau_a * sum;
}

// Row of the largest absolute value of a column from `first` on, the first of equal ones; by one warp.
OTSEG_COLD inline int pivot_of(const double* column, int stride, int first, int size) {
  double best = -1;
  int where = first;
  for (int row = first + threadIdx.x % 32; row < size; row += 32) {
    const double value = fabs(column[row * stride]);
    where = value > best ? row : where;
    best = value > best ? value : best;
  }
  for (int bit = 1; bit < 32; bit *= 2) {
    const double other = __shfl_xor_sync(FULL, best, bit);
    const int other_where = __shfl_xor_sync(FULL, where, bit);
    if (other > best || (other == best && other_where < where)) best = other, where = other_where;
  }
  return where;
}

// y by Gauss's elimination with partial pivoting; a block per problem.
template <class T>
__global__ void __launch_bounds__(ADJOINT_THREADS) adjoint_solve_kernel(const __grid_constant__ Adjoint<T> in) {
  OTSEG_SHARED(memory);
  constexpr int SIDE = 16;
  const int k = in.k, stride = in.shared_matrix ? tile_stride(k) : k;
  double* system = in.system + int64_t(blockIdx.x) * in.chunks * k * (k + 1);
  double *right = reinterpret_cast<double*>(memory), *factor = right + k, *matrix = system;
  int* pivot = reinterpret_cast<int*>(factor + k);
  if (in.shared_matrix) {
    matrix = factor + k + 1;
    for (int at = threadIdx.x; at < k * k; at += blockDim.x) matrix[at / k * stride + at % k] = system[at];
  }
  if (int(threadIdx.x) < k) right[threadIdx.x] = system[k * k + threadIdx.x];
  const int high = threadIdx.x / SIDE, low = threadIdx.x % SIDE;
  for (int i = 0; i < k; ++i) {
    double* row = matrix + i * stride;
    __syncthreads();
    if (threadIdx.x < 32) {
      const int found = pivot_of(matrix + i, stride, i, k);
      if (threadIdx.x == 0) *pivot = found;
    }
    __syncthreads();
    if (const int best = *pivot; best != i) {
      double* other = matrix + best * stride;
      for (int column = i + int(threadIdx.x); column <= k; column += blockDim.x) {
        double &x = column < k ? row[column] : right[i], &y = column < k ? other[column] : right[best];
        const double kept = x;
        x = y;
        y = kept;
      }
    }
    __syncthreads();
    for (int j = i + 1 + int(threadIdx.x); j < k; j += blockDim.x) {
      factor[j] = matrix[j * stride + i] / row[i];
      right[j] -= factor[j] * right[i];
    }
    __syncthreads();
    for (int j = i + 1 + high; j < k; j += SIDE)
      for (int column = i + 1 + low; column < k; column += SIDE)
        matrix[j * stride + column] -= factor[j] * row[column];
  }
  for (int i = k - 1; i >= 0; --i) {
    __syncthreads();
    const double answer = right[i] / matrix[i * stride + i];
    if (threadIdx.x == 0) system[k * k + i] = answer;
    for (int j = threadIdx.x; j < i; j += blockDim.x) right[j] -= matrix[j * stride + i] * answer;
  }
}

}  // namespace otseg
