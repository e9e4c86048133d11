// What every CUDA op shares on the host: its checks, what the device offers, and the launch of teams of blocks.
#pragma once

#include "../common.h"
#include "device.cuh"
#include "plan.cuh"

#include <torch/csrc/stable/accelerator.h>

namespace otseg {

inline void check_cuda(cudaError_t status, const char* what) {
  STD_TORCH_CHECK(status == cudaSuccess, "CUDA failed in ", what, ": ", cudaGetErrorString(status));
}
#define OTSEG_CUDA(call) ::otseg::check_cuda(call, #call)

inline void check_beside(const char* name, const Tensor& x, const Tensor& other, const char* other_name) {
  STD_TORCH_CHECK(x.is_cuda() && x.get_device() == other.get_device() && x.scalar_type() == other.scalar_type(), "`",
                  name, "` must have the device and the dtype of `", other_name, "`.");
}

inline int attribute(cudaDeviceAttr which) {
  int device = 0, value = 0;
  OTSEG_CUDA(cudaGetDevice(&device));
  OTSEG_CUDA(cudaDeviceGetAttribute(&value, which, device));
  return value;
}

// Whether the code of the kernel that this device runs knows clusters.
inline bool knows_clusters(const void* kernel) {
  if (attribute(cudaDevAttrComputeCapabilityMajor) < 9) return false;
  cudaFuncAttributes about;
  OTSEG_CUDA(cudaFuncGetAttributes(&about, kernel));
  return about.ptxVersion >= 90;
}

inline Device device_of(const void* kernel) {
  return {attribute(cudaDevAttrMultiProcessorCount), size_t(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin)),
          knows_clusters(kernel)};
}

// All the shared memory that there is: what a launch asks for is another matter, and may differ between host threads.
inline void allow_memory(const void* kernel) {
  const int most = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
  OTSEG_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most));
}

// Blocks of the kernel that one multiprocessor runs at a time.
inline int resident_blocks(const void* kernel, int threads, size_t memory) {
  if (memory > size_t(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin))) return 0;
  allow_memory(kernel);
  int count = 0;
  OTSEG_CUDA(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&count, kernel, threads, memory));
  return count;
}

inline cudaStream_t current_stream(const Tensor& x) {
  void* stream = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(x.get_device(), &stream));
  return static_cast<cudaStream_t>(stream);
}

// Launch teams of blocks whose blocks all run at the same time: as clusters, or together.
inline void launch_teams(const void* kernel, int teams, int blocks, int threads, size_t memory, bool cluster,
                         cudaStream_t stream, void* args) {
  allow_memory(kernel);
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(unsigned(teams) * unsigned(blocks));
  config.blockDim = dim3(unsigned(threads));
  config.dynamicSmemBytes = memory;
  config.stream = stream;
  cudaLaunchAttribute wish = {};
  if (cluster) {
    wish.id = cudaLaunchAttributeClusterDimension;
    wish.val.clusterDim.x = unsigned(blocks);
    wish.val.clusterDim.y = wish.val.clusterDim.z = 1;
  } else {
    wish.id = cudaLaunchAttributeCooperative;
    wish.val.cooperative = 1;
  }
  config.attrs = &wish;
  config.numAttrs = blocks > 1 ? 1 : 0;
  void* list[] = {args};
  OTSEG_CUDA(cudaLaunchKernelExC(&config, kernel, list));
}

}  // namespace otseg
