// Passes of SinkhornBlock over the rows of its block, included inside of it: what they sum they leave for the team.

  __device__ __forceinline__ T* mine() const { return partial + buffer * (2 * size_t(k) + 2) * team.blocks; }

  // Leave the log of the sum of a exp(-slope_a f) over this block's rows for the team.
  OTSEG_COLD void leave_mass(LogSum<T> moved) const {
    LogSum<double> all;
    all.add(double(moved.peak), double(moved.total));
    all = block_log_sum(all, scratch);
    if (threadIdx.x == 0) {
      mine()[size_t(2 * k) * team.blocks + team.rank] = T(all.peak);
      mine()[size_t(2 * k + 1) * team.blocks + team.rank] = T(all.total);
    }
  }

  // From c: the rows' potentials, and the sums of the plan's columns, which are left for the team.
  template <int L>
  __device__ __forceinline__ void pass() const {
    T column[ENTRIES], sum[ENTRIES];
#pragma unroll
    for (int e = 0; e < ENTRIES; ++e) {
      column[e] = e * L + int(threadIdx.x % L) < k ? c[e * L + threadIdx.x % L] : -infinity<T>();
      sum[e] = 0;
    }
    LogSum<T> moved;
    // What the loop needs, in registers.
    const int width = k, lane = threadIdx.x % L, count = iterations, step = unit;
    const bool mass_moves = movable;
    const T rest = rest_a, moving = slope_a * tau_a;
    const int64_t across = cached ? blockDim.x : L * column_stride;
    const int64_t down = cached ? int64_t(slots_per_row) * blockDim.x : unit * row_stride;
    const int64_t weight_down = cached ? down : unit;
    const T* entry = cached ? slots(0) : score + (first + threadIdx.x / L) * row_stride + lane_k() * column_stride;
    const T* weights = cached ? slots(0) + (slots_per_row - 1) * blockDim.x : a + first + threadIdx.x / L;
    int left = int(end - first) - int(threadIdx.x / L);
    for (int i = 0; i < count; ++i, entry += down, weights += weight_down, left -= step) {
      const T weight = left > 0 ? mass_or_zero(*weights) : T(0);
      if (!__any_sync(FULL, weight > 0)) continue;
      T x[ENTRIES], peak = -infinity<T>(), total = 0;
      const T* p = entry;
#pragma unroll
      for (int e = 0; e < ENTRIES; ++e, p += across) {
        if (e * L >= width) break;
        x[e] = column[e];
        if (weight > 0 && e * L + lane < width) x[e] += *p;
        peak = larger(peak, x[e]);
      }
      peak = lanes_max(peak, 1, L);
#pragma unroll
      for (int e = 0; e < ENTRIES; ++e)
        if (e * L < width) total += x[e] = exponential(x[e] - peak);
      total = lanes_sum(total, 1, L);
      if (weight > 0) {
        const T log_row = peak + logarithm(total);
        const T scale = weight / total * (rest == 0 ? T(1) : exponential(rest * log_row));
#pragma unroll
        for (int e = 0; e < ENTRIES; ++e)
          if (e * L < width) sum[e] += scale * x[e];
        if (mass_moves && lane == 0) moved.add(moving * log_row, weight);
      }
    }
#pragma unroll
    for (int e = 0; e < ENTRIES; ++e) {
      if (e * L >= k) break;
      sum[e] = lanes_sum(sum[e], L, 32);
      if (threadIdx.x % 32 < L) shared[((threadIdx.x / 32) * ENTRIES + e) * L + threadIdx.x % L] = sum[e];
    }
    __syncthreads();
    for (int column = threadIdx.x; column < k; column += blockDim.x) {
      T total = 0;
      for (int warp = 0; warp < int(blockDim.x / 32); ++warp) total += shared[warp * L * ENTRIES + column];
      mine()[size_t(column) * team.blocks + team.rank] = total;
    }
    if (movable) leave_mass(moved);
  }

  // From the potentials of the columns plus log b, the rows' potentials.
  OTSEG_COLD void rows_by_logarithm(const T* columns) {
    for (int i = 0; i < iterations; ++i) {
      LogSum<T> row;
      for (int strip = 0; strip < strips; ++strip) {
        T x[ENTRIES], peak = row.peak;
        load(i, strip, x);
#pragma unroll
        for (int e = 0; e < ENTRIES; ++e) {
          if (skipped(strip, e)) continue;
          x[e] += exists(strip, e) ? columns[strip * lanes * ENTRIES + e * lanes + lane_k()] : T(0);
          peak = larger(peak, x[e]);
        }
        if (!(peak > -infinity<T>())) continue;
        T total = row.total * exponential(row.peak - peak);
#pragma unroll
        for (int e = 0; e < ENTRIES; ++e)
          if (!skipped(strip, e)) total += exponential(x[e] - peak);
        row.peak = peak;
        row.total = total;
      }
      row = lanes_log_sum(row, 1, lanes);
      if (lane_k() == 0 && inside(i)) f_out[row_of(i)] = tau_a == 0 ? T(0) : -tau_a * row.value();
    }
    __syncthreads();
  }

  // From f: for every column the log of the sum of a exp(S + f), left for the team as peak and total.
  OTSEG_COLD void columns_by_logarithm(const T* f) {
    LogSum<T> moved;
    for (int strip = 0; strip < strips; ++strip) {
      LogSum<T> sum[ENTRIES];
      for (int i = 0; i < iterations; ++i) {
        const T weight = mass_of(i);
        if (!__any_sync(FULL, weight > 0)) continue;
        T x[ENTRIES];
        load(i, strip, x);
        if (weight > 0) {
          const T row = f[row_of(i)];
          const T base = row + logarithm(weight);
#pragma unroll
          for (int e = 0; e < ENTRIES; ++e)
            if (!skipped(strip, e)) sum[e].add(x[e] + base, T(1));
          if (movable && strip == 0 && lane_k() == 0) moved.add(-slope_a * row, weight);
        }
      }
      __syncthreads();  // the sums of an earlier strip have been read
#pragma unroll
      for (int e = 0; e < ENTRIES; ++e) {
        if (skipped(strip, e)) continue;
        sum[e] = lanes_log_sum(sum[e], lanes, 32);
        if (int(threadIdx.x % 32) < lanes) {
          const int at = (threadIdx.x / 32) * lanes * ENTRIES + e * lanes + lane_k();
          shared[2 * at] = sum[e].peak;
          shared[2 * at + 1] = sum[e].total;
        }
      }
      __syncthreads();
      for (int slot = threadIdx.x; slot < lanes * ENTRIES && strip * lanes * ENTRIES + slot < k; slot += blockDim.x) {
        LogSum<T> all;
        for (int warp = 0; warp < int(blockDim.x / 32); ++warp)
          all.add(shared[2 * (warp * lanes * ENTRIES + slot)], shared[2 * (warp * lanes * ENTRIES + slot) + 1]);
        mine()[size_t(strip * lanes * ENTRIES + slot) * team.blocks + team.rank] = all.peak;
        mine()[size_t(k + strip * lanes * ENTRIES + slot) * team.blocks + team.rank] = all.total;
      }
    }
    if (movable) leave_mass(moved);
  }

  // Bypasses what a multiprocessor may have kept of an earlier sweep.
  static __device__ __forceinline__ double fresh(const T* p) { return *static_cast<const volatile T*>(p); }

  OTSEG_COLD LogSum<double> pair(const T* peaks, const T* totals) const {
    LogSum<double> all;
    for (int j = threadIdx.x % 32; j < team.blocks; j += 32) all.add(fresh(peaks + j), fresh(totals + j));
    return lanes_log_sum(all, 1, 32);
  }
