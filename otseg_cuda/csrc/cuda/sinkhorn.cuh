// One Sinkhorn problem by a team of blocks, from potentials to potentials. The reference is otseg/ops/sinkhorn.py.
//
// Each block owns consecutive rows. L lanes hold a row, 8 columns each, in registers. With c = g + log b, a sweep is
//
//     e = exp(S + c - peak of the row),  r = sum e      f = -tau_a (peak + log r)
//     column sums of the plan = sum over rows of e (a / r) exp(f - f_exact)        g = tau_b (c - log of the sums)
//
// so one exponential per entry, relative to its row's peak: the row is in the log domain. A column sum in which entries
// that were rounded to 0 might matter is not used: then both halves run in the log domain (columns by a running peak),
// as they do for more columns than L lanes hold. So the accuracy is that of the log domain for every epsilon.
//
// Blocks leave their column sums in global memory, meet at one barrier per sweep, and each adds all sums up in the
// same order: no atomic changes a result. Rows and columns without mass (padding among them) take no part in the loop
// and get their potentials at the end; they add exact zeros, so that padding changes no bit while `rows` is the same.
#pragma once

#include "device.cuh"

namespace otseg {

constexpr int SPLIT_SUMS = 32768;  // above so many partial sums the blocks share the work of adding them

template <class T>
struct Sinkhorn {
  const T *score, *a, *b, *slope_a, *slope_b, *f;
  int64_t strides[3];
  int64_t n, problems, max_iter;
  int k, lanes, blocks, teams;  // lanes of a row, blocks of a team
  int64_t rows;          // of a block
  double tol;
  bool test, translate, cached, cluster, shared_state;
  T *f_out, *g_out, *error;
  int64_t* n_iter;
  T* partial;               // (teams, 2, 2 k + 2, blocks): column sums or their peaks, and totals; the same of the mass
  double* exchange;         // (teams, k)
  unsigned char* state;     // of every block, where it does not fit into shared memory
  unsigned* arrivals;       // (teams)
};

// Bytes of what a block remembers about its columns: two doubles and two numbers each.
template <class T>
__host__ __device__ inline size_t state_bytes(int k) {
  return (size_t(k) * (2 * sizeof(double) + 2 * sizeof(T)) + 15) / 16 * 16;
}
// Numbers that a block leaves for its team, twice.
__host__ __device__ inline size_t partial_size(int k) { return 2 * (2 * size_t(k) + 2); }

// What the threads of a block know, once, in shared memory: thread 0 writes it, between barriers.
template <class T>
struct SinkhornBlock {
  static constexpr double SMALL = sizeof(T) == 4 ? 1e-25 : 1e-280, LARGE = sizeof(T) == 4 ? 1e30 : 1e250;

  Sinkhorn<T> in;
  Team team;
  int k, lanes, unit, iterations, strips, slots_per_row;  // few columns are one strip
  int64_t first, end, row_stride, column_stride;          // of this block's rows
  double *scratch, *target, *g;
  T *shared, *c, *before, *partial, *cache;
  int buffer;
  bool cached;
  // Of the current problem:
  const T *score, *a, *b, *start;
  T* f_out;
  T tau_a, rest_a, slope_a;  // rest_a = 1 - tau_a
  double slope_b, tau_b, total_slope, shift;
  double mass;  // log of the sum of a exp(-slope_a f)
  bool movable;

  OTSEG_COLD void prepare(const Sinkhorn<T>& args, unsigned char* memory) {
    in = args;
    team.index = int(blockIdx.x) / args.blocks;
    team.rank = int(blockIdx.x) % args.blocks;
    team.blocks = args.blocks;
    team.cluster = args.cluster;
    team.arrivals = args.arrivals + team.index;
    team.due = 0;
    k = args.k;
    lanes = args.lanes;
    unit = blockDim.x / lanes;
    iterations = int((args.rows + unit - 1) / unit);
    strips = (k + lanes * ENTRIES - 1) / (lanes * ENTRIES);
    slots_per_row = (k + lanes - 1) / lanes + 1;
    cached = args.cached;
    first = team.rank * args.rows;
    end = first + args.rows < args.n ? first + args.rows : args.n;
    row_stride = args.strides[1];
    column_stride = args.strides[2];
    buffer = 0;
    scratch = reinterpret_cast<double*>(memory + sizeof(SinkhornBlock));
    shared = reinterpret_cast<T*>(scratch + 64);
    unsigned char* free = reinterpret_cast<unsigned char*>(shared + (blockDim.x / 32) * lanes * ENTRIES * 2);
    unsigned char* state = args.shared_state ? free : args.state + size_t(blockIdx.x) * state_bytes<T>(k);
    if (args.shared_state) free += state_bytes<T>(k);
    target = reinterpret_cast<double*>(state);
    g = target + k;
    c = reinterpret_cast<T*>(g + k);
    before = c + k;
    if (args.shared_state && team.blocks == 1) {
      partial = reinterpret_cast<T*>(free);
      free += partial_size(k) * sizeof(T);
    } else {
      partial = args.partial + size_t(team.index) * partial_size(k) * team.blocks;
    }
    cache = reinterpret_cast<T*>(free);
  }

  __device__ __forceinline__ int lane_k() const { return threadIdx.x % lanes; }
  __device__ __forceinline__ int lane_row() const { return threadIdx.x / lanes; }

  // Entry e of a lane is column lane_k + e L of a strip; whether the lane has it, and whether no lane has it.
  __device__ __forceinline__ bool exists(int strip, int e) const {
    return (strip * ENTRIES + e) * lanes + lane_k() < k;
  }
  __device__ __forceinline__ bool skipped(int strip, int e) const { return (strip * ENTRIES + e) * lanes >= k; }
  // Rows beyond the end repeat the last one, without mass.
  __device__ __forceinline__ bool inside(int i) const { return first + int64_t(i) * unit + lane_row() < end; }
  __device__ __forceinline__ int64_t row_of(int i) const {
    return inside(i) ? first + int64_t(i) * unit + lane_row() : end - 1;
  }
  __device__ __forceinline__ T* slots(int i) const {
    return cache + size_t(i) * slots_per_row * blockDim.x + threadIdx.x;
  }
  __device__ __forceinline__ T mass_of(int i) const {
    if (cached) return slots(i)[size_t(slots_per_row - 1) * blockDim.x];
    return inside(i) ? mass_or_zero(a[row_of(i)]) : T(0);
  }
  __device__ __forceinline__ T weight_of(int column) const { return mass_or_zero(b[column]); }
  __device__ __forceinline__ void load(int i, int strip, T (&x)[ENTRIES]) const {
    if (cached) {
      const T* p = slots(i);
#pragma unroll
      for (int e = 0; e < ENTRIES; ++e)
        if (!skipped(strip, e)) x[e] = p[e * blockDim.x];
    } else {
      const T* p = score + row_of(i) * row_stride + (strip * lanes * ENTRIES + lane_k()) * column_stride;
#pragma unroll
      for (int e = 0; e < ENTRIES; ++e)
        if (!skipped(strip, e)) x[e] = exists(strip, e) ? p[e * lanes * column_stride] : -infinity<T>();
    }
  }

  // Every thread keeps its own entries, and its row's mass, in shared memory where they fit.
  OTSEG_COLD void fill_cache() const {
    for (int i = 0; i < iterations; ++i) {
      const T* p = score + row_of(i) * row_stride + lane_k() * column_stride;
      T* out = slots(i);
      for (int e = 0; e < slots_per_row - 1; ++e)
        out[e * blockDim.x] = exists(0, e) ? p[e * lanes * column_stride] : -infinity<T>();
      out[(slots_per_row - 1) * blockDim.x] = inside(i) ? mass_or_zero(a[row_of(i)]) : T(0);
    }
  }

#include "sinkhorn_passes.cuh"

#include "sinkhorn_loop.cuh"
};

template <class T, int L>
__global__ void __launch_bounds__(THREADS<T>, 1) sinkhorn_kernel(const __grid_constant__ Sinkhorn<T> args) {
  OTSEG_SHARED(memory);
  SinkhornBlock<T>& block = *reinterpret_cast<SinkhornBlock<T>*>(memory);
  if (threadIdx.x == 0) block.prepare(args, memory);
  __syncthreads();
  for (int64_t problem = block.team.index; problem < args.problems; problem += args.teams)
    block.template solve<L>(problem);
}

}  // namespace otseg
