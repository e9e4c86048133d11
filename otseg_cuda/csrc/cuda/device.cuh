// What the kernels share: functions of a number, reductions, and the barrier of the blocks that share a problem.
//
// Device code lives in .cuh files, launches in .cu files: the tests compile the former for the host as well, with
// tests/unit/ops/cuda_host.h in the place of the CUDA runtime. Hence no static shared memory here.
#pragma once

#if defined(__CUDACC__)
#include <cuda_runtime.h>
#define OTSEG_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#endif
// For what is not the inner loop: inlined everywhere it would take minutes to compile.
#define OTSEG_COLD __device__ __noinline__

#include <cstdint>

namespace otseg {

constexpr unsigned FULL = 0xffffffffu;
constexpr int ENTRIES = 8;      // columns of a lane
constexpr int TEST_EVERY = 10;  // as in the references

// Threads of a block: as many as keep everything in registers.
template <class T>
constexpr int THREADS = sizeof(T) == 4 ? 512 : 256;

// Absolute error of the fast exponential grows with |x|, as the rounding of x itself does.
__device__ __forceinline__ float exponential(float x) { return __expf(x); }
__device__ __forceinline__ double exponential(double x) { return exp(x); }
__device__ __forceinline__ float logarithm(float x) { return logf(x); }
__device__ __forceinline__ double logarithm(double x) { return log(x); }
__device__ __forceinline__ float larger(float x, float y) { return fmaxf(x, y); }
__device__ __forceinline__ double larger(double x, double y) { return fmax(x, y); }

template <class T>
__device__ __forceinline__ T infinity() {
  return T(__builtin_huge_valf());
}

// The gap between 1 and the next number.
template <class T>
constexpr double UNIT = sizeof(T) == 4 ? 1.1920928955078125e-07 : 2.220446049250313e-16;
// The smallest normal number.
template <class T>
constexpr T SMALLEST = T(sizeof(T) == 4 ? 1.1754943508222875e-38 : 2.2250738585072014e-308);

// A mass: a denormal number counts as 0, as in the references.
template <class T>
__device__ __forceinline__ T mass_or_zero(T x) {
  return x >= SMALLEST<T> ? x : T(0);
}

// A sum of exponentials as peak and total, total exp(peak); nothing yet is (-inf, 0).
template <class T>
struct LogSum {
  T peak = -infinity<T>();
  T total = 0;

  // Add weight exp(x); a term of -inf changes nothing.
  __device__ __forceinline__ void add(T x, T weight) {
    if (!(x > -infinity<T>())) return;
    const T fade = exponential(x > peak ? peak - x : x - peak);
    total = x > peak ? total * fade + weight : total + weight * fade;
    peak = larger(peak, x);
  }
  __device__ __forceinline__ void add(const LogSum& other) { add(other.peak, other.total); }
  __device__ __forceinline__ T value() const { return peak + logarithm(total); }
};

// Reductions over lanes whose numbers differ in bits first, 2 first, .. below last; every lane gets the result.
template <class T>
__device__ __forceinline__ T lanes_max(T x, int first, int last) {
  for (int bit = first; bit < last; bit *= 2) x = larger(x, __shfl_xor_sync(FULL, x, bit));
  return x;
}
template <class T>
__device__ __forceinline__ T lanes_sum(T x, int first, int last) {
  for (int bit = first; bit < last; bit *= 2) x += __shfl_xor_sync(FULL, x, bit);
  return x;
}
// The two partners add in different orders: the lower lane's first, so that both get the same bits.
template <class T>
OTSEG_COLD LogSum<T> lanes_log_sum(LogSum<T> x, int first, int last) {
  for (int bit = first; bit < last; bit *= 2) {
    LogSum<T> other;
    other.peak = __shfl_xor_sync(FULL, x.peak, bit);
    other.total = __shfl_xor_sync(FULL, x.total, bit);
    LogSum<T> low = (threadIdx.x & bit) ? other : x;
    low.add((threadIdx.x & bit) ? x : other);
    x = low;
  }
  return x;
}

// Reductions over a block; every thread gets the result. `scratch` has 64 numbers.
OTSEG_COLD inline double block_sum(double x, double* scratch) {
  x = lanes_sum(x, 1, 32);
  __syncthreads();  // an earlier result has been read
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  x = 0;
  for (int warp = 0; warp < int(blockDim.x / 32); ++warp) x += scratch[warp];
  return x;
}
OTSEG_COLD inline double block_max(double x, double* scratch) {
  x = lanes_max(x, 1, 32);
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  for (int warp = 0; warp < int(blockDim.x / 32); ++warp) x = larger(x, scratch[warp]);
  return x;
}
OTSEG_COLD inline LogSum<double> block_log_sum(LogSum<double> x, double* scratch) {
  x = lanes_log_sum(x, 1, 32);
  __syncthreads();
  if (threadIdx.x % 32 == 0) {
    scratch[threadIdx.x / 32] = x.peak;
    scratch[32 + threadIdx.x / 32] = x.total;
  }
  __syncthreads();
  LogSum<double> out;
  for (int warp = 0; warp < int(blockDim.x / 32); ++warp) {
    LogSum<double> other;
    other.peak = scratch[warp];
    other.total = scratch[32 + warp];
    out.add(other);
  }
  return out;
}

// The blocks that share a problem. All of them are resident: they are one cluster, or the launch is cooperative.
struct Team {  // in shared memory; thread 0 writes it
  int index, rank, blocks;
  bool cluster;
  unsigned* arrivals;  // one counter per team, 0 at the start; it only grows
  unsigned due;        // what the counter says when all have arrived

  // What any block wrote to global memory before it, every block of the team sees after it.
  OTSEG_COLD void barrier() {
    if (blocks == 1) {
      __syncthreads();
      return;
    }
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    if (cluster) {
      __syncthreads();
      asm volatile("barrier.cluster.arrive.release.aligned;\n\tbarrier.cluster.wait.acquire.aligned;" ::: "memory");
      return;
    }
#endif
    __syncthreads();
    if (threadIdx.x == 0) {
      due += blocks;
      __threadfence();
      atomicAdd(arrivals, 1u);
      while (int(*static_cast<volatile unsigned*>(arrivals) - due) < 0) __nanosleep(20);
      __threadfence();
    }
    __syncthreads();
  }
};

// What another block left in global memory before a barrier; not from this multiprocessor's own cache.
__device__ __forceinline__ double from_others(const double* p) {
#if defined(__CUDACC__)
  return __ldcg(p);
#else
  return *p;
#endif
}

// The part [begin, end) of `size` that a block computes for its team.
struct Share {
  int begin, end;
};
__device__ __forceinline__ Share share(const Team& team, int size) {
  const int part = (size + team.blocks - 1) / team.blocks;
  const int begin = part * team.rank < size ? part * team.rank : size;
  return {begin, begin + part < size ? begin + part : size};
}

}  // namespace otseg
