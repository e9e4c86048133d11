// What a GPU can do at most, for benchmarks/gpu.py: copies, fused multiply-adds, exponentials, each in its own loop.
// Compiled by nvcc into a plain library; every function enqueues one kernel on a stream and returns CUDA's status.

#include <cuda_runtime.h>

namespace {

constexpr int CHAINS = 8;  // independent, so that no unit waits for a result

template <class Step>
__device__ void repeat(float* out, int count, const Step& step) {
  float x[CHAINS];
  for (int i = 0; i < CHAINS; ++i) x[i] = threadIdx.x * 1e-3f + i;
  for (int round = 0; round < count; ++round)
    for (int i = 0; i < CHAINS; ++i) x[i] = step(x[i]);
  float sum = 0;
  for (int i = 0; i < CHAINS; ++i) sum += x[i];
  if (sum == -1.0f) *out = sum;  // never: but the loop has to be done
}

__global__ void multiply_add(float* out, int count) {
  repeat(out, count, [](float x) { return fmaf(x, 0.5f, 0.25f); });
}
__global__ void exponential(float* out, int count) {
  repeat(out, count, [](float x) {
    float y;
    asm volatile("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
  });
}
__global__ void copy(float4* to, const float4* from, long long size) {
  const long long step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step) to[i] = from[i];
}

}  // namespace

extern "C" {

// Operations of one launch of the loops: blocks * 256 * 8 * count.
int otseg_multiply_add(float* out, int blocks, int count, void* stream) {
  multiply_add<<<blocks, 256, 0, static_cast<cudaStream_t>(stream)>>>(out, count);
  return cudaGetLastError();
}
int otseg_exponential(float* out, int blocks, int count, void* stream) {
  exponential<<<blocks, 256, 0, static_cast<cudaStream_t>(stream)>>>(out, count);
  return cudaGetLastError();
}
// Copies `size` groups of 16 bytes.
int otseg_copy(float* to, const float* from, int blocks, long long size, void* stream) {
  copy<<<blocks, 256, 0, static_cast<cudaStream_t>(stream)>>>(reinterpret_cast<float4*>(to),
                                                              reinterpret_cast<const float4*>(from), size);
  return cudaGetLastError();
}
}
