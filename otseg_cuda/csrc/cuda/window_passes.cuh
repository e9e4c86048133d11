// Passes of WindowBlock over the frames of its block, included inside of it.

  // Unnormalized log densities of a frame's actions, keep M - step G; keep = 0 does not look at M.
  __device__ __forceinline__ void load(int64_t row, int strip, T keep, T step, T (&x)[ENTRIES]) const {
    const T* m = density[current] + row * k;
    const T* slope = gradient[current] + row * k;
#pragma unroll
    for (int e = 0; e < ENTRIES; ++e) {
      if (skipped(strip, e)) continue;
      const int column = action(strip, e);
      x[e] = -infinity<T>();
      if (column < k) x[e] = (keep == 0 ? T(0) : keep * m[column]) - step * slope[column];
    }
  }

  // log of the sum of b exp(x) over the actions of a frame; `x` is its last strip.
  __device__ __forceinline__ T log_row(int64_t row, T keep, T step, T (&x)[ENTRIES]) const {
    LogSum<T> sum;
    for (int strip = 0; strip < strips; ++strip) {
      load(row, strip, keep, step, x);
      T peak = sum.peak;
#pragma unroll
      for (int e = 0; e < ENTRIES; ++e)
        if (!skipped(strip, e) && action(strip, e) < k) peak = larger(peak, x[e] + log_b[action(strip, e)]);
      if (!(peak > -infinity<T>())) continue;
      T total = sum.total * exponential(sum.peak - peak);
#pragma unroll
      for (int e = 0; e < ENTRIES; ++e)
        if (!skipped(strip, e) && action(strip, e) < k) total += exponential(x[e] + log_b[action(strip, e)] - peak);
      sum.peak = peak;
      sum.total = total;
    }
    return lanes_log_sum(sum, 1, lanes).value();
  }

  // A mirror step from the accepted point: the candidate's M, P and masses of frames. With s the step size,
  // keep = 1 / (s scale), step = 1 / scale, scale = epsilon + 1 / s. Returns this thread's part of KL(P 1 | a).
  OTSEG_COLD double rows(double keep, double step) {
    const double ratio = isinf(rho_a) ? 0 : 1 / (step * rho_a);  // scale / rho_a; infinity where frames are free
    const T tau = isinf(ratio) ? T(0) : T(1 / (1 + ratio)), rest = isinf(ratio) ? T(1) : T(ratio / (1 + ratio));
    double divergence = 0;
    for (int i = 0; i < iterations; ++i) {
      const int64_t row = first + int64_t(i) * unit + threadIdx.x / lanes;
      const T mass = row < end ? mass_of(row) : T(0);
      const bool any = __any_sync(FULL, mass > 0);
      T x[ENTRIES], log_sum = 0;
      if (any) log_sum = log_row(row < end ? row : end - 1, T(keep), T(step), x);
      if (row >= end) continue;
      const double moved = double(rest) * log_sum, whole = mass > 0 ? double(mass) * exp(moved) : 0;
      if (lane_k() == 0) {
        frame_mass()[row] = whole;
        if (mass > 0) divergence += whole * moved - whole + mass;
      }
      T *m = density[1 - current] + row * k, *p = plan + row * k;
      for (int strip = 0; strip < strips; ++strip) {
        if (mass > 0 && strips > 1) load(row, strip, T(keep), T(step), x);
#pragma unroll
        for (int e = 0; e < ENTRIES; ++e) {
          if (skipped(strip, e)) continue;
          const int column = action(strip, e);
          if (column >= k) continue;
          if (mass > 0) m[column] = x[e] -= tau * log_sum;
          p[column] = mass > 0 ? mass * exponential(x[e] + log_b[column]) : T(0);
        }
      }
    }
    __syncthreads();
    return divergence;
  }

  // The same for the point to start from.
  OTSEG_COLD double start_rows() {
    double divergence = 0;
    const T product = isinf(rho_a) ? T(-log(mass_b)) : T(0);  // exact frames keep their mass whatever that of b is
    for (int i = 0; i < iterations; ++i) {
      const int64_t row = first + int64_t(i) * unit + threadIdx.x / lanes;
      const T mass = row < end ? mass_of(row) : T(0);
      T *m = density[1 - current] + row * k, *p = plan + row * k;
      double whole = 0;
      for (int column = lane_k(); row < end && column < k; column += lanes) {
        m[column] = init == nullptr ? product : init[row * in.init_strides[1] + column * in.init_strides[2]];
        p[column] = mass > 0 ? mass * exponential(m[column] + log_b[column]) : T(0);
        whole += p[column];
      }
      whole = lanes_sum(whole, 1, lanes);
      if (row < end && lane_k() == 0) {
        frame_mass()[row] = whole;
        if (mass > 0) divergence += (whole > 0 ? whole * log(whole / mass) : 0) - whole + mass;
      }
    }
    __syncthreads();
    return divergence;
  }

  // Running sums of the candidate over the frames of this block, and their totals; the last column is whole frames.
  OTSEG_COLD void leave_prefix() {
    const int columns = k + 1;
    for (int base = 0; base < columns; base += blockDim.x) {
      const int width = columns - base < int(blockDim.x) ? columns - base : int(blockDim.x);
      const int count = blockDim.x / width, length = (int(rows_each) + count - 1) / count;
      const int column = base + threadIdx.x % width, run = threadIdx.x / width;
      const int64_t begin = first + int64_t(run) * length;
      const int64_t stop = run < count ? (begin + length < end ? begin + length : end) : begin;
      double total = 0;
      for (int64_t row = begin; row < stop; ++row)
        total += column < k ? double(plan[row * k + column]) : frame_mass()[row];
      __syncthreads();  // the runs of earlier columns have been read
      runs[threadIdx.x] = total;
      __syncthreads();
      double sum = 0;
      for (int before = 0; before < run && run < count; ++before) sum += runs[before * width + threadIdx.x % width];
      for (int64_t row = begin; row < stop; ++row) {
        sum += column < k ? double(plan[row * k + column]) : frame_mass()[row];
        prefix()[row * columns + column] = sum;
      }
      if (run == count - 1)  // which may be empty
        totals()[size_t(team.rank) * columns + column] = sum;
    }
  }

  // Sum of the candidate over all frames up to and with `row`, of a column.
  __device__ __forceinline__ double up_to(int64_t row, int column) const {
    if (row < 0) return 0;
    row = row < n ? row : n - 1;
    const int columns = k + 1;
    const size_t block = unsigned(row) / rows_each;
    return from_others(prefix() + row * columns + column) + offsets[block * columns + column];
  }

  // Gradient of the candidate; returns this thread's part of <C + window / 2 + epsilon M, P>.
  OTSEG_COLD double evaluate() {
    for (int64_t row = first + threadIdx.x; row < end; row += blockDim.x)
      window_mass()[row] = up_to(row + half_width, k) - up_to(row - half_width - 1, k) - frame_mass()[row];
    __syncthreads();
    const double* price = penalty + (1 - current) * k;
    const T* m = density[1 - current];
    T* out = gradient[1 - current];
    double part = 0;
    for (unsigned at = threadIdx.x; at < unsigned(frames_here) * unsigned(k); at += blockDim.x) {
      const int64_t row = first + at / unsigned(k);
      const int column = int(at % unsigned(k));
      const T p = plan[row * k + column];
      const double near = up_to(row + half_width, column) - up_to(row - half_width - 1, column) - p;
      const double other = weight * (window_mass()[row] - near);
      const T c = cost[row * in.strides[1] + column * in.strides[2]];
      out[row * k + column] = T(c + (other + rho_b * price[column]));
      if (p > 0) part += double(p) * (c + other / 2 + epsilon * double(m[row * k + column]));
    }
    return part;
  }

  // The best response to the accepted point's gradient: potentials of the frames, and this thread's part of the L1
  // distance of the plan. `last` writes potentials and plan.
  OTSEG_COLD double respond(bool last) {
    const double ratio = isinf(rho_a) ? 0 : epsilon / rho_a;
    const T tau = isinf(ratio) ? T(0) : T(1 / (1 + ratio));
    const T step = T(1 / epsilon);
    double gap = 0;
    for (int i = 0; i < iterations; ++i) {
      const int64_t row = first + int64_t(i) * unit + threadIdx.x / lanes;
      T x[ENTRIES];
      const T log_sum = log_row(row < end ? row : end - 1, T(0), step, x);
      if (row >= end) continue;
      const T mass = mass_of(row);
      if (last && lane_k() == 0) f[row] = mass > 0 ? T(-epsilon * double(tau) * log_sum) : T(0);
      for (int strip = 0; strip < strips; ++strip) {
        if (strips > 1) load(row, strip, T(0), step, x);
#pragma unroll
        for (int e = 0; e < ENTRIES; ++e) {
          if (skipped(strip, e)) continue;
          const int column = action(strip, e);
          if (column >= k) continue;
          T p = 0, best = 0;
          if (mass > 0) {
            p = mass * exponential(density[current][row * k + column] + log_b[column]);
            best = mass * exponential(x[e] - tau * log_sum + log_b[column]);
          }
          gap += fabs(double(best) - double(p));
          if (last) plan[row * k + column] = p;
        }
      }
    }
    return gap;
  }
