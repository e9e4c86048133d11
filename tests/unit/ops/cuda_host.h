// CUDA's device code on the host: every thread of a grid is a fiber, so that kernels can be tested without a GPU.
//
// A fiber runs until it waits: for its warp in a shuffle, for its block in __syncthreads, for other blocks in
// __nanosleep. All blocks of a grid run at the same time. Threads take turns forward or backward, or warps run as far
// ahead of others as they can: a missing barrier shows as a result that depends on the order. A grid in which nobody
// can go on ends the process with a message.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __grid_constant__
#define OTSEG_SHARED(name) unsigned char* name = host::here().block->memory.data()

namespace host {

struct Index {
  unsigned x = 0;
};

struct Meeting {  // of a warp or of a block
  int size = 0, arrived = 0;
  long round = 0;
  int votes = 0, result = 0;
};

struct Warp {
  Meeting meeting;
  double slot[2][32];
};

struct Block {
  unsigned index;
  Meeting meeting;
  std::vector<Warp> warps;
  std::vector<unsigned char> memory;  // all ones at the start: not a number
};

struct Fiber {
  ucontext_t context;  // to start with; then jumps, which ask nothing of the operating system
  jmp_buf jump;
  bool started = false;
  std::unique_ptr<char[]> stack;
  Block* block = nullptr;
  unsigned thread = 0;
  int parity = 0;
  bool done = false;
};

struct Grid {
  jmp_buf scheduler;
  Fiber* current = nullptr;
  unsigned blocks = 0, threads = 0;
  long progress = 0;
  std::function<void()> kernel;
};

inline Grid*& grid() {
  static Grid* one = nullptr;
  return one;
}
inline Fiber& here() { return *grid()->current; }

inline void wait() {
  if (_setjmp(grid()->current->jump) == 0) _longjmp(grid()->scheduler, 1);
}

__attribute__((noinline)) inline void resume(Fiber& fiber) {
  grid()->current = &fiber;
  if (_setjmp(grid()->scheduler) != 0) return;
  if (std::exchange(fiber.started, true)) _longjmp(fiber.jump, 1);
  setcontext(&fiber.context);
}

// Meet the others; the sum of all votes.
inline int meet(Meeting& meeting, int vote = 0) {
  const long round = meeting.round;
  meeting.votes += vote;
  if (++meeting.arrived == meeting.size) {
    meeting.result = meeting.votes;
    meeting.arrived = meeting.votes = 0;
    ++meeting.round;
    ++grid()->progress;
    return meeting.result;
  }
  while (meeting.round == round) wait();
  return meeting.result;
}

inline Warp& warp() { return here().block->warps[here().thread / 32]; }

template <class T>
T exchange(T value, int partner) {
  Fiber& fiber = here();
  const int parity = fiber.parity ^= 1;  // so that one meeting per exchange is enough
  double packed = 0;
  std::memcpy(&packed, &value, sizeof(T));
  warp().slot[parity][fiber.thread % 32] = packed;
  meet(warp().meeting);
  std::memcpy(&value, &warp().slot[parity][partner], sizeof(T));
  return value;
}

inline void enter() {
  grid()->kernel();
  here().done = true;
  ++grid()->progress;
  wait();
}

inline void prepare(Fiber& fiber, Block& block, unsigned thread) {
  constexpr size_t stack = 64 * 1024;
  fiber.block = &block;
  fiber.thread = thread;
  fiber.stack.reset(new char[stack]);
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = stack;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, enter, 0);
}

// Every warp of the list in turn: alone until it waits for others (`eager`), or one step.
inline bool run_warps(std::vector<Fiber>& fibers, const std::vector<size_t>& turn, bool backward, bool eager) {
  bool left = false;
  for (size_t warp : turn) {
    for (long before = -1; before != grid()->progress;) {
      before = grid()->progress;
      for (size_t lane = 0; lane < 32; ++lane) {
        Fiber& fiber = fibers[warp * 32 + (backward ? 31 - lane : lane)];
        if (fiber.done) continue;
        left = true;
        resume(fiber);
      }
      if (!eager) break;
    }
  }
  return left;
}

// Run a kernel. `order` is 0: threads take turns, 1: backward, above: the seed of a shuffle of warps, anew in every
// round, in which each goes as far ahead of the others as barriers allow.
inline void launch(unsigned blocks, unsigned threads, size_t memory, int order, std::function<void()> kernel) {
  Grid all;
  grid() = &all;
  all.blocks = blocks;
  all.threads = threads;
  all.kernel = std::move(kernel);
  std::vector<Block> list(blocks);
  std::vector<Fiber> fibers(size_t(blocks) * threads);
  for (unsigned index = 0; index < blocks; ++index) {
    Block& block = list[index];
    block.index = index;
    block.meeting.size = int(threads);
    block.warps.resize(threads / 32);
    for (Warp& warp : block.warps) warp.meeting.size = 32;
    block.memory.assign(memory + 16, 0xff);
    for (unsigned thread = 0; thread < threads; ++thread)
      prepare(fibers[size_t(index) * threads + thread], block, thread);
  }
  std::vector<size_t> turn(fibers.size() / 32);
  for (size_t i = 0; i < turn.size(); ++i) turn[i] = order == 1 ? turn.size() - 1 - i : i;
  std::mt19937 random(order);
  for (int idle = 0;;) {
    const long before = all.progress;
    if (order > 1) std::shuffle(turn.begin(), turn.end(), random);
    if (!run_warps(fibers, turn, order == 1, order > 1)) break;
    idle = all.progress == before ? idle + 1 : 0;
    if (idle > 3) {
      std::fprintf(stderr, "deadlock: threads wait for others that never come\n");
      std::abort();
    }
  }
  grid() = nullptr;
}

struct ThreadIndex {
  struct {
    operator unsigned() const { return here().thread; }
  } x;
};
struct BlockIndex {
  struct {
    operator unsigned() const { return here().block->index; }
  } x;
};
struct BlockSize {
  struct {
    operator unsigned() const { return grid()->threads; }
  } x;
};
struct GridSize {
  struct {
    operator unsigned() const { return grid()->blocks; }
  } x;
};

}  // namespace host

static const host::ThreadIndex threadIdx = {};
static const host::BlockIndex blockIdx = {};
static const host::BlockSize blockDim = {};
static const host::GridSize gridDim = {};

inline void __syncthreads() { host::meet(host::here().block->meeting); }
inline int __syncthreads_or(int x) { return host::meet(host::here().block->meeting, x != 0) != 0; }
inline int __syncthreads_and(int x) { return host::meet(host::here().block->meeting, x == 0) == 0; }
inline int __any_sync(unsigned, int x) { return host::meet(host::warp().meeting, x != 0) != 0; }
inline unsigned __ballot_sync(unsigned, int x) {
  return unsigned(host::meet(host::warp().meeting, x != 0 ? int(1u << host::here().thread % 32) : 0));
}
inline int __ffs(int x) { return __builtin_ffs(x); }
inline void __syncwarp() { host::meet(host::warp().meeting); }
template <class T>
T __shfl_xor_sync(unsigned, T x, int bit) {
  return host::exchange(x, int(host::here().thread % 32) ^ bit);
}
template <class T>
T __shfl_up_sync(unsigned, T x, int distance) {
  const int lane = int(host::here().thread % 32);
  return host::exchange(x, lane >= distance ? lane - distance : lane);
}
template <class T>
T __shfl_sync(unsigned, T x, int lane) {
  return host::exchange(x, lane);
}
inline void __threadfence() {}
inline void __nanosleep(unsigned) { host::wait(); }
inline unsigned atomicAdd(unsigned* p, unsigned x) {
  ++host::grid()->progress;
  return std::exchange(*p, *p + x);
}
inline float __expf(float x) { return std::exp(x); }
using std::exp;
using std::fabs;
using std::isinf;
using std::log;
