// What every kernel shares: its checks of arguments, and memory that vector instructions like.
#pragma once

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <new>

namespace otseg {

using torch::stable::Tensor;

constexpr size_t HUGE_PAGE = size_t(1) << 21;

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
      // Much memory comes in huge pages where the system has them: rows that are far apart cost fewer look-ups.
      const size_t needed = static_cast<size_t>(size) * sizeof(T), page = needed >= HUGE_PAGE ? HUGE_PAGE : 64;
      const size_t bytes = (needed + page - 1) / page * page;
      data_ = static_cast<T*>(std::aligned_alloc(page, bytes));
      if (data_ == nullptr) throw std::bad_alloc();
#if defined(__linux__)
      if (page == HUGE_PAGE) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
      size_ = size;
    }
    return data_;
  }
  T* get() const { return data_; }
  int64_t size() const { return size_; }
  void release() {
    std::free(data_);
    data_ = nullptr;
    size_ = 0;
  }

 private:
  T* data_ = nullptr;
  int64_t size_ = 0;
};

// Memory of this thread that outlives a call, as long as it is no more than KEPT: getting it anew costs more than what
// is done in it where problems are small or few.
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (memory().size() > KEPT) memory().release();
  }

  template <class T>
  T* get(int64_t size) const {
    return reinterpret_cast<T*>(memory().get(size * static_cast<int64_t>(sizeof(T))));
  }

 private:
  static constexpr int64_t KEPT = int64_t(1) << 25;

  static Buffer<char>& memory() {
    static thread_local Buffer<char> kept;
    return kept;
  }
};

// The same entries, one after the other in memory.
inline Tensor packed(const Tensor& x) { return x.is_contiguous() ? x : torch::stable::contiguous(x); }

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
