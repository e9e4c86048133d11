// The name of the instruction set that the kernels choose on this CPU, for `otseg doctor`; the choice itself is made
// where a kernel is called.

extern "C" __attribute__((visibility("default"))) const char* otseg_instructions() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    return "AVX-512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "AVX2";
#endif
  return "baseline";
}
