// Which instruction sets this CPU has, of those that the kernels are compiled for.
#pragma once

namespace otseg {

#if defined(__x86_64__)
inline bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
inline bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#else
inline bool has_avx512() { return false; }
inline bool has_avx2() { return false; }
#endif

}  // namespace otseg
