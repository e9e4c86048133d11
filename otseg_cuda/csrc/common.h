// What every kernel shares: its checks of arguments, and memory that vector instructions like.
#pragma once

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <new>

namespace otseg {

using torch::stable::Tensor;

// Uninitialized memory on a cache line boundary that grows and is kept for the next problem.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data_); }

  T* get(int64_t size) {
    if (size > size_) {
      std::free(data_);
      size_ = 0;
      const size_t bytes = (static_cast<size_t>(size) * sizeof(T) + 63) / 64 * 64;
      data_ = static_cast<T*>(std::aligned_alloc(64, bytes));
      if (data_ == nullptr) throw std::bad_alloc();
      size_ = size;
    }
    return data_;
  }
  T* get() const { return data_; }

 private:
  T* data_ = nullptr;
  int64_t size_ = 0;
};

inline void check_shape(const char* name, const Tensor& x, std::initializer_list<int64_t> shape) {
  bool same = x.dim() == static_cast<int64_t>(shape.size());
  int64_t axis = 0;
  for (int64_t size : shape) same = same && x.size(axis++) == size;
  STD_TORCH_CHECK(same, "`", name, "` has the wrong shape.");
}

inline void check_like(const char* name, const Tensor& x, const Tensor& other, const char* other_name = "score") {
  STD_TORCH_CHECK(x.is_cpu() && x.scalar_type() == other.scalar_type(), "`", name,
                  "` must have the device and the dtype of `", other_name, "`.");
}

}  // namespace otseg
