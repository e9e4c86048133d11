// Threads that share the tasks of one problem phase after phase, without the cost of a parallel region per phase.
#pragma once

#include <torch/csrc/stable/ops.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace otseg {

// One thread leads: it runs the program and calls run() for what can be shared. The others help(): they take tasks
// until they are dismissed. The leader waits only for tasks that were taken, so it never matters how many help, nor
// when they come.
//
// Every thread has a block of the tasks and takes from the others' when its own is done. So, as long as nobody is late,
// task i is done by the same thread in every phase, and finds its data in that thread's cache.
class Crew {
 public:
  Crew() : blocks_(1) {}

  // Run `program` with a crew of all of torch's threads, or alone where this thread is one of many already.
  template <class F>
  static void lead(const F& program) {
    const int64_t threads = torch::stable::get_num_threads();
    Crew crew(threads);
    torch::stable::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
      if (begin > 0) {
        crew.help(begin);
        return;
      }
      crew.alone_ = end == threads;
      struct Dismissal {
        Crew& crew;
        ~Dismissal() { crew.dismissed_.store(true, std::memory_order_release); }
      } dismissal{crew};
      program(crew);
    });
  }

  // Run f(0), ..., f(tasks - 1) in any order and wait for all. They must not throw: nobody would count them as done.
  template <class F>
  void run(int64_t tasks, const F& f) {
    if (alone_ || tasks < 2 || tasks > FIELD) {
      for (int64_t i = 0; i < tasks; ++i) f(i);
      return;
    }
    job_ = &f;
    call_ = [](const void* job, int64_t i) { (*static_cast<const F*>(job))(i); };
    done_.store(0, std::memory_order_relaxed);
    ++phase_;
    const int64_t size = static_cast<int64_t>(blocks_.size());
    for (int64_t b = 0; b < size; ++b) {
      const uint64_t next = tasks * b / size, end = tasks * (b + 1) / size;
      blocks_[b].state.store(phase_ << 48 | end << 24 | next, std::memory_order_release);
    }
    work(0);
    for (int idle = 0; done_.load(std::memory_order_acquire) < tasks;) wait(idle);
  }

 private:
  static constexpr int64_t FIELD = (int64_t(1) << 24) - 1;

  // Phase, end and next task of a block in one word: whoever takes a task saw all of it.
  struct alignas(64) Block {
    std::atomic<uint64_t> state{0};
  };

  explicit Crew(int64_t threads) : blocks_(threads) {}

  // Take tasks, from block `own` on, until there are none; returns whether there were any.
  bool work(int64_t own) {
    bool any = false;
    const int64_t size = static_cast<int64_t>(blocks_.size());
    for (int64_t b = 0; b < size; ++b) {
      std::atomic<uint64_t>& block = blocks_[(own + b) % size].state;
      uint64_t state = block.load(std::memory_order_acquire);
      while ((state & FIELD) < (state >> 24 & FIELD)) {
        if (!block.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel, std::memory_order_acquire))
          continue;
        call_(job_, static_cast<int64_t>(state & FIELD));
        done_.fetch_add(1, std::memory_order_release);
        any = true;
        state = block.load(std::memory_order_acquire);
      }
    }
    return any;
  }

  void help(int64_t own) {
    for (int idle = 0; !dismissed_.load(std::memory_order_acquire);) {
      if (work(own)) {
        idle = 0;
      } else {
        wait(idle);
      }
    }
  }

  static void wait(int& idle) {
    if (++idle > 2000) {
      std::this_thread::yield();
      return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  std::vector<Block> blocks_;
  alignas(64) std::atomic<int64_t> done_{0};
  std::atomic<bool> dismissed_{false};
  uint64_t phase_ = 0;
  const void* job_ = nullptr;
  void (*call_)(const void*, int64_t) = nullptr;
  bool alone_ = true;
};

}  // namespace otseg
