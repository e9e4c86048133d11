// ASOT's mirror descent by a team of blocks, all iterations. The reference is otseg/ops/window_descent.py.
//
// Each block owns consecutive frames. An iteration is
//
//     rows      M' and the plan P' of its frames, L lanes a frame, 8 actions each, in registers
//     prefix    running sums of P' over its frames, in float64, and their totals for the team
//     (barrier) every block adds the totals of the blocks before up: offsets of the running sums, and column sums
//     evaluate  the window sums are differences of running sums; gradient G' and the block's part of the objective
//     (barrier) every block adds the parts up in the same order, and comes to the same decision
//
// so O(N K) whatever the width of the window, and no atomic changes a result. M and G exist twice; accepting is to
// look at the other one. Frames without mass add exact zeros.
#pragma once

#include "device.cuh"

namespace otseg {

constexpr int SPLIT_OFFSETS = 4096;  // above so many totals the blocks share the work of adding them up

template <class T>
struct WindowDescent {
  const T *cost, *a, *b, *epsilon, *rho_a, *rho_b, *weight, *curvature, *init, *step;  // the last two may be null
  const int64_t* half_width;
  int64_t strides[3], init_strides[3];
  int64_t n, problems, max_iter;
  int k, lanes, blocks, teams;
  int64_t rows;  // of a block
  double tol;
  bool test, trace, shared_state;
  bool cluster;
  T *plan, *f, *g, *objective, *error, *history;
  int64_t* n_iter;
  // Work memory of every team:
  T *density, *gradient;  // (teams, 2, n, k)
  double* prefix;         // (teams, n, k + 1); the last column is that of whole frames
  double* frames;         // (teams, 2, n): mass of a frame of P', and of its window
  double* totals;         // (teams, blocks, k + 1)
  double* offsets;        // the same, where the blocks share the work
  double* parts;          // (teams, blocks, 4)
  unsigned char* state;   // of every block, where it does not fit into shared memory
  unsigned* arrivals;     // (teams)
};

// Bytes of what a block remembers about the actions: two penalties, column sums, log b.
template <class T>
__host__ __device__ inline size_t window_state_bytes(int k) {
  return (size_t(k) * (2 * sizeof(double) + sizeof(T)) + (size_t(k) + 1) * sizeof(double) + 15) / 16 * 16;
}
__host__ __device__ inline bool splits_offsets(int64_t blocks, int64_t k) { return blocks * (k + 1) > SPLIT_OFFSETS; }

// What the threads of a block know, once, in shared memory: thread 0 writes it, between barriers.
template <class T>
struct WindowBlock {
  WindowDescent<T> in;
  Team team;
  int k, lanes, unit, iterations, strips, frames_here;
  unsigned rows_each;  // of every block but the last
  int64_t first, end, n;
  double *scratch, *runs, *penalty, *sums, *offsets;
  T* log_b;
  // Of the current problem:
  const T *cost, *a, *b, *init;
  T *density[2], *gradient[2], *plan, *f;
  int current;  // which of the two is accepted; the other one is the candidate
  int64_t half_width;
  double epsilon, rho_a, rho_b, weight, mass, mass_b, rounding, objective;
  double size, grow, floor, ceiling;  // of the step

  OTSEG_COLD void prepare(const WindowDescent<T>& args, unsigned char* memory) {
    in = args;
    team.index = int(blockIdx.x) / args.blocks;
    team.rank = int(blockIdx.x) % args.blocks;
    team.blocks = args.blocks;
    team.cluster = args.cluster;
    team.arrivals = args.arrivals + team.index;
    team.due = 0;
    k = args.k;
    n = args.n;
    lanes = args.lanes;
    unit = blockDim.x / lanes;
    iterations = int((args.rows + unit - 1) / unit);
    strips = (k + lanes * ENTRIES - 1) / (lanes * ENTRIES);
    rows_each = unsigned(args.rows);
    first = team.rank * args.rows;
    end = first + args.rows < n ? first + args.rows : n;
    frames_here = int(end - first);
    scratch = reinterpret_cast<double*>(memory + sizeof(WindowBlock));
    runs = scratch + 64;
    unsigned char* free = reinterpret_cast<unsigned char*>(runs + blockDim.x);
    unsigned char* state = args.shared_state ? free : args.state + size_t(blockIdx.x) * window_state_bytes<T>(k);
    if (args.shared_state) free += window_state_bytes<T>(k);
    penalty = reinterpret_cast<double*>(state);
    sums = penalty + 2 * k;
    log_b = reinterpret_cast<T*>(sums + k + 1);
    if (splits_offsets(team.blocks, k))
      offsets = args.offsets + size_t(team.index) * team.blocks * (k + 1);
    else
      offsets = reinterpret_cast<double*>(free);
    for (int i = 0; i < 2; ++i) {
      density[i] = args.density + (size_t(team.index) * 2 + i) * n * k;
      gradient[i] = args.gradient + (size_t(team.index) * 2 + i) * n * k;
    }
  }

  __device__ __forceinline__ double* prefix() const { return in.prefix + size_t(team.index) * n * (k + 1); }
  __device__ __forceinline__ double* frame_mass() const { return in.frames + size_t(team.index) * 2 * n; }
  __device__ __forceinline__ double* window_mass() const { return frame_mass() + n; }
  __device__ __forceinline__ double* totals() const { return in.totals + size_t(team.index) * team.blocks * (k + 1); }
  __device__ __forceinline__ double* parts() const { return in.parts + size_t(team.index) * team.blocks * 4; }

  // Entry e of a lane is action lane_k + e L of a strip; whether the lane has it, and whether no lane has it.
  __device__ __forceinline__ int lane_k() const { return threadIdx.x % lanes; }
  __device__ __forceinline__ int action(int strip, int e) const { return (strip * ENTRIES + e) * lanes + lane_k(); }
  __device__ __forceinline__ bool skipped(int strip, int e) const { return (strip * ENTRIES + e) * lanes >= k; }

  __device__ __forceinline__ T mass_of(int64_t row) const { return mass_or_zero(a[row]); }
  __device__ __forceinline__ bool has_mass(int column) const { return log_b[column] > -infinity<T>(); }

#include "window_passes.cuh"

#include "window_loop.cuh"
};

template <class T>
__global__ void __launch_bounds__(THREADS<T>, 1) window_kernel(const __grid_constant__ WindowDescent<T> args) {
  OTSEG_SHARED(memory);
  WindowBlock<T>& block = *reinterpret_cast<WindowBlock<T>*>(memory);
  if (threadIdx.x == 0) block.prepare(args, memory);
  __syncthreads();
  for (int64_t problem = block.team.index; problem < args.problems; problem += args.teams) block.solve(problem);
}

}  // namespace otseg
