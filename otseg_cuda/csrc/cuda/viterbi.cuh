// The best path of a sequence by a block, frame after frame. The reference is otseg/ops/viterbi.py.
//
// A thread owns a state. The scores of all paths up to a frame lie in shared memory, twice, so that a frame is one
// barrier; a thread tries the states before in order and keeps the first of the best: the same sums in the same
// precision and the same ties as the reference, so that every path is its path, whatever the rest of the batch.
//
//   up to 32 states   a warp; transitions into a state in the registers of its thread
//   more              transitions in shared memory where they fit; of the states before only those between the first
//                     and the last that lead here are tried (a transcript: two); and where going to any other state
//                     scores the same, the best state before stands for all others: O(K) per frame
//
// Scores are fetched several frames ahead. Back-pointers take the smallest integer that holds a state. On the way back
// they come to shared memory in tiles, in which one thread follows the path.
//
// Frames are not cut into parts that are computed side by side: products of transitions round otherwise, and near ties
// would be decided otherwise than by the reference, and otherwise for other lengths.
#pragma once

#include "device.cuh"

namespace otseg {

constexpr int AHEAD = 8;           // frames
constexpr int FEW_STATES = 32;     // of a warp
constexpr int TRACE_BYTES = 8192;  // of back-pointers in a tile
constexpr int TRACE_FRAMES = 1024;
// Threads of a block with many states: as many as keep everything in registers.
template <class T>
constexpr int MOST_THREADS = sizeof(T) == 4 ? 1024 : 512;

template <class T>
struct Viterbi {
  const T *scores, *transition, *initial, *final;  // the last two may be null
  const bool* mask;                                // may be null
  int64_t strides[3], chain_strides[3];
  int64_t n, problems;
  int k, pointer_bytes;
  bool shared_chain;      // transitions are kept in shared memory
  size_t before_bytes;    // of a block, a multiple of 16
  unsigned char* before;  // of every block: the state before, of every frame and state
  int64_t* path;
  T* value;
};

// States in memory: a warp reads four at a time.
__host__ __device__ inline int padded_states(int k) { return (k + 3) / 4 * 4; }
__host__ __device__ inline int frames_of_tile(int k, int pointer_bytes) {
  const int frames = TRACE_BYTES / (k * pointer_bytes);
  return frames < 1 ? 1 : frames < TRACE_FRAMES ? frames : TRACE_FRAMES;
}
__host__ __device__ inline size_t tile_bytes(int k, int pointer_bytes) {
  return (size_t(frames_of_tile(k, pointer_bytes)) * k * pointer_bytes + 31) / 16 * 16;
}

template <class T>
struct alignas(16) Four {
  T x[4];
};
struct alignas(16) Word {
  uint32_t x[4];
};

// The better of two ways to a state; of equal ones the one that came first.
template <class T>
struct Choice {
  T score;
  int from;

  __device__ __forceinline__ void against(T other, int other_from) {
    from = other > score ? other_from : from;
    score = other > score ? other : score;
  }
  __device__ __forceinline__ void against(const Choice& other) { against(other.score, other.from); }
  // Four ways at once, in order: comparisons that do not wait for one another.
  __device__ __forceinline__ void against(T a, T b, T c, T d, int first) {
    Choice low = {a, first}, high = {c, first + 2};
    low.against(b, first + 1);
    high.against(d, first + 3);
    low.against(high);
    against(low);
  }
};

// What the threads of a block know, once, in shared memory: thread 0 writes it, between barriers.
template <class T, bool FEW>
struct ViterbiBlock {
  Viterbi<T> in;
  int k;
  T *best, *ring, *kept;  // scores of all paths, twice; scores of frames ahead; transitions
  int *begin, *end;       // the states before that lead to a state at all
  unsigned char *before, *tile;
  int* stage;             // path in a tile
  // Of the current problem:
  const T *scores, *chain;
  const bool* mask;
  int64_t down, across;  // strides of the transitions
  bool uniform;          // going to any other state scores the same: `away`
  T away;

  OTSEG_COLD void prepare(const Viterbi<T>& args, unsigned char* memory) {
    in = args;
    k = args.k;
    best = reinterpret_cast<T*>(memory + (sizeof(ViterbiBlock) + 15) / 16 * 16);
    tile = reinterpret_cast<unsigned char*>(best + 2 * padded_states(k));
    stage = reinterpret_cast<int*>(tile + tile_bytes(k, in.pointer_bytes));
    ring = reinterpret_cast<T*>(stage + (frames_of_tile(k, in.pointer_bytes) + 3) / 4 * 4);
    kept = ring + AHEAD * blockDim.x;
    begin = reinterpret_cast<int*>(kept + (in.shared_chain ? size_t(k) * k : 0));
    end = begin + k;
    before = in.before + size_t(blockIdx.x) * in.before_bytes;
  }

  static __device__ __forceinline__ void barrier() {
    if (FEW)
      __syncwarp();
    else
      __syncthreads();
  }
  __device__ __forceinline__ T transition(int from, int to) const { return chain[from * down + to * across]; }

  OTSEG_COLD void begin_problem(int64_t problem, bool first) {
    __syncthreads();  // every thread is done with the problem before
    const bool other_chain = first || in.chain_strides[0] != 0;
    if (threadIdx.x == 0) {
      scores = in.scores + problem * in.strides[0];
      mask = in.mask == nullptr ? nullptr : in.mask + problem * in.n;
      if (other_chain) {
        chain = in.transition + problem * in.chain_strides[0];
        down = in.chain_strides[1];
        across = in.chain_strides[2];
      }
    }
    for (int i = threadIdx.x; i < 2 * padded_states(k); i += blockDim.x) best[i] = -infinity<T>();
    __syncthreads();
    if (other_chain && !FEW) read_chain();
  }

  OTSEG_COLD void read_chain() {
    const T other = k > 1 ? transition(0, 1) : -infinity<T>();
    bool differs = false;
    for (int64_t at = threadIdx.x; at < int64_t(k) * k; at += blockDim.x) {
      const int from = int(at / k), to = int(at % k);
      const T score = transition(from, to);
      differs = differs || (from != to && score != other);
      if (in.shared_chain) kept[at] = score;
    }
    differs = __syncthreads_or(differs);
    if (threadIdx.x == 0) {
      uniform = !differs;
      away = other;
      if (in.shared_chain) {
        chain = kept;
        down = k;
        across = 1;
      }
    }
    __syncthreads();
    for (int to = threadIdx.x; to < k; to += blockDim.x) {
      int low = 0, high = k;
      while (low < high && transition(low, to) == -infinity<T>()) ++low;
      while (high > low && transition(high - 1, to) == -infinity<T>()) --high;
      begin[to] = low;
      end[to] = high;
    }
  }

  // The lowest of the best states, with `price` added to each but `without`, which is none of them; by every warp.
  template <class Price>
  __device__ __forceinline__ Choice<T> leader(const T* now, int without, const Price& price) const {
    const int lane = threadIdx.x % 32;
    Choice<T> found = {-infinity<T>(), 0};
    for (int i = lane; i < k; i += 32)
      if (i != without) found.score = larger(found.score, now[i] + price(i));
    found.score = lanes_max(found.score, 1, 32);
    for (int first = 0; first < k; first += 32) {
      const int i = first + lane;
      const unsigned bits = __ballot_sync(FULL, i < k && i != without && now[i] + price(i) == found.score);
      if (bits == 0) continue;
      found.from = first + __ffs(int(bits)) - 1;
      break;
    }
    return found;
  }

  // The best way to a state, whatever the transitions.
  __device__ __forceinline__ Choice<T> reach(const T* now, int to) const {
    Choice<T> way = {-infinity<T>(), 0};
    const T* entry = chain + to * across;
    const int64_t step = down;
    const int last = end[to];
    int i = begin[to];
    for (; i + 4 <= last; i += 4) {
      const T* p = entry + i * step;
      way.against(now[i] + p[0], now[i + 1] + p[step], now[i + 2] + p[2 * step], now[i + 3] + p[3 * step], i);
    }
    for (; i < last; ++i) way.against(now[i] + entry[i * step], i);
    return way;
  }

  // The same where only staying differs from going elsewhere. Nobody comes to the leader from itself by going away:
  // `second` is the best of the others.
  __device__ __forceinline__ Choice<T> reach(const T* now, int to, const Choice<T>& first,
                                             const Choice<T>& second) const {
    const Choice<T> away = to == first.from ? second : first;
    Choice<T> stay = {now[to] + transition(to, to), to};
    if (away.score > stay.score || (away.score == stay.score && away.from < to)) stay = away;
    return stay;
  }

  __device__ __forceinline__ void keep(int64_t frame, int state, int from) const {
    const size_t at = size_t(frame) * k + state;
    if (in.pointer_bytes == 1)
      before[at] = static_cast<unsigned char>(from);
    else if (in.pointer_bytes == 2)
      reinterpret_cast<uint16_t*>(before)[at] = static_cast<uint16_t>(from);
    else
      reinterpret_cast<uint32_t*>(before)[at] = static_cast<uint32_t>(from);
  }
  __device__ __forceinline__ int pointer(const unsigned char* row, int state) const {
    if (in.pointer_bytes == 1) return row[state];
    if (in.pointer_bytes == 2) return reinterpret_cast<const uint16_t*>(row)[state];
    return int(reinterpret_cast<const uint32_t*>(row)[state]);
  }

  __device__ __forceinline__ bool is_real(int64_t frame) const {
    return frame < in.n && (mask == nullptr || mask[frame]);
  }
#include "viterbi_passes.cuh"

  __device__ __forceinline__ void solve(int64_t problem, bool first) {
    begin_problem(problem, first);
    const T* now = forward(problem);
    Choice<T> last = {0, 0};
    if (now != nullptr) {
      const T* final = in.final == nullptr ? nullptr : in.final + problem * k;
      last = leader(now, -1, [final](int i) { return final == nullptr ? T(0) : final[i]; });
    }
    if (threadIdx.x == 0) in.value[problem] = last.score;
    backward(problem, last.from, last.score > -infinity<T>());
  }
};

template <class T, bool FEW>
__global__ void __launch_bounds__(FEW ? 32 : MOST_THREADS<T>, 1)
    viterbi_kernel(const __grid_constant__ Viterbi<T> args) {
  OTSEG_SHARED(memory);
  using Block = ViterbiBlock<T, FEW>;
  Block& block = *reinterpret_cast<Block*>(memory);
  if (threadIdx.x == 0) block.prepare(args, memory);
  __syncthreads();
  for (int64_t problem = blockIdx.x; problem < args.problems; problem += gridDim.x)
    block.solve(problem, problem == int64_t(blockIdx.x));
}

}  // namespace otseg
