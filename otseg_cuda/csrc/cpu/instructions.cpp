// The name of the instruction set that the kernels choose on this CPU, for `otseg doctor`.

#include "cpu_features.h"

extern "C" __attribute__((visibility("default"))) const char* otseg_instructions() {
  return otseg::has_avx512() ? "AVX-512" : otseg::has_avx2() ? "AVX2" : "baseline";
}
