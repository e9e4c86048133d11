// The loop of SinkhornBlock, included inside of it: what its blocks do together, on the columns.

  // Add up what the blocks left. Column sums give the undamped update of g as target = c - log sum, unless a sum is too
  // small to be trusted: then false, and the same for every block. Peaks and totals give minus the log of the sum.
  OTSEG_COLD bool combine(bool logarithms) {
    team.barrier();
    const int blocks = team.blocks, warps = blockDim.x / 32, warp = threadIdx.x / 32;
    const T* from = mine();
    const bool split = size_t(k) * blocks > SPLIT_SUMS;
    const Share part = split ? share(team, k) : Share{0, k};
    for (int column = part.begin + warp; column < part.end; column += warps) {
      double value = 0;
      if (logarithms) {
        value = -pair(from + size_t(column) * blocks, from + size_t(k + column) * blocks).value();
      } else {
        for (int j = threadIdx.x % 32; j < blocks; j += 32) value += fresh(from + size_t(column) * blocks + j);
        value = lanes_sum(value, 1, 32);
      }
      if (threadIdx.x % 32 == 0) (split ? in.exchange + size_t(team.index) * k : target)[column] = value;
    }
    double moved = 0;
    if (movable) moved = pair(from + size_t(2 * k) * blocks, from + size_t(2 * k + 1) * blocks).value();
    if (split) {
      team.barrier();
      const volatile double* all = in.exchange + size_t(team.index) * k;
      for (int column = threadIdx.x; column < k; column += blockDim.x) target[column] = all[column];
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      buffer ^= 1;
      mass = moved;
    }
    __syncthreads();
    if (logarithms) return true;
    double whole = 0;
    for (int column = threadIdx.x; column < k; column += blockDim.x) whole += target[column];
    whole = block_sum(whole, scratch);
    bool good = whole <= LARGE;
    for (int column = threadIdx.x; column < k; column += blockDim.x) {
      const double sum = target[column];
      if (weight_of(column) > 0) good = good && sum >= SMALL && sum >= SMALL / 1000 * whole;
      target[column] = c[column] - log(sum);
    }
    return !__syncthreads_or(!good);
  }

  // g from its undamped update; c = g + log b, and the one before.
  OTSEG_COLD void advance() {
    LogSum<double> moved;
    for (int column = threadIdx.x; column < k; column += blockDim.x) {
      before[column] = c[column];
      g[column] = tau_b == 0 ? 0 : tau_b * target[column];
      const double weight = weight_of(column);
      if (movable && weight > 0) moved.add(-slope_b * g[column], weight);
    }
    double constant = 0;
    if (movable) constant = (mass - block_log_sum(moved, scratch).value()) / total_slope;
    if (threadIdx.x == 0) shift = constant;
    for (int column = threadIdx.x; column < k; column += blockDim.x) {
      g[column] -= constant;
      const double weight = weight_of(column);
      c[column] = weight > 0 ? T(g[column] + log(weight)) : -infinity<T>();
    }
    __syncthreads();
  }

  OTSEG_COLD double column_error() {
    double gap = 0, whole = 0;
    for (int column = threadIdx.x; column < k; column += blockDim.x) {
      const double weight = weight_of(column);
      if (!(weight > 0)) continue;
      whole += weight;
      if (isinf(slope_b)) continue;  // nothing is asked of a free marginal
      gap += weight * fabs(exp(fmin(g[column] - target[column], 80.0)) - exp(fmin(-slope_b * g[column], 80.0)));
    }
    gap = block_sum(gap, scratch);
    return gap / block_sum(whole, scratch);
  }

  OTSEG_COLD void columns_from(const T* f) {
    columns_by_logarithm(f);
    combine(true);
  }

  // Everything up to the first update of g; says whether a column has no mass.
  OTSEG_COLD bool begin(int64_t problem) {
    __syncthreads();  // every thread is done with the problem before
    if (threadIdx.x == 0) {
      score = in.score + problem * in.strides[0];
      a = in.a + problem * in.n;
      b = in.b + problem * k;
      start = in.f + problem * in.n;
      f_out = in.f_out + problem * in.n;
      const double slope = in.slope_a[problem];
      slope_b = in.slope_b[problem];
      slope_a = T(slope);
      tau_a = isinf(slope) ? T(0) : T(1 / (1 + slope));
      rest_a = isinf(slope) ? T(1) : T(slope / (1 + slope));
      tau_b = isinf(slope_b) ? 0 : 1 / (1 + slope_b);
      total_slope = slope + slope_b;
      movable = in.translate && total_slope > UNIT<T> && !isinf(total_slope);
    }
    __syncthreads();
    bool empty = false;
    for (int column = threadIdx.x; column < k; column += blockDim.x) {
      g[column] = 0;
      c[column] = 0;
      empty = empty || !(weight_of(column) > 0);
    }
    empty = __syncthreads_or(empty);
    if (cached) fill_cache();
    columns_from(start);
    return empty;
  }

  OTSEG_COLD void finish(int64_t problem, int64_t sweep, bool empty) {
    const double error = column_error();
    if (team.rank == 0) {
      if (threadIdx.x == 0) {
        in.error[problem] = T(error);
        in.n_iter[problem] = sweep;
      }
      for (int column = threadIdx.x; column < k; column += blockDim.x)
        if (weight_of(column) > 0) in.g_out[problem * k + column] = T(g[column]);
    }
    if (empty) {  // their potentials belong to the rows' before the last sweep
      if (sweep > 1) rows_by_logarithm(before);
      columns_from(sweep > 1 ? f_out : start);
      for (int column = threadIdx.x; team.rank == 0 && column < k; column += blockDim.x)
        if (!(weight_of(column) > 0))
          in.g_out[problem * k + column] = T((tau_b == 0 ? 0 : tau_b * target[column]) - shift);
    }
    rows_by_logarithm(c);
  }

  template <int L>
  __device__ __forceinline__ void solve(int64_t problem) {
    const bool empty = begin(problem);
    int64_t sweep = 0, trust = 0;
    for (; sweep < in.max_iter; ++sweep) {
      if (in.test && sweep && sweep % TEST_EVERY == 0 && column_error() < in.tol) break;
      advance();
      bool good = false;
      if (strips == 1 && sweep >= trust) {
        pass<L>();
        good = combine(false);
        if (!good) trust = sweep + TEST_EVERY;
      }
      if (!good) {
        rows_by_logarithm(c);
        columns_from(f_out);
      }
    }
    finish(problem, sweep, empty);
  }
