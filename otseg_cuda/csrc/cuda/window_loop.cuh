// The loop of WindowBlock, included inside of it: what its blocks do together.

  // Leave a number for the team.
  OTSEG_COLD void leave(int slot, double x) {
    x = block_sum(x, scratch);
    if (threadIdx.x == 0) parts()[team.rank * 4 + slot] = x;
  }
  // Its sum over the blocks, after a barrier.
  OTSEG_COLD double sum_of(int slot) const {
    double x = 0;
    for (int j = threadIdx.x % 32; j < team.blocks; j += 32) x += from_others(parts() + j * 4 + slot);
    return lanes_sum(x, 1, 32);
  }

  // Offsets of the blocks' running sums, and the penalties of the candidate's columns.
  OTSEG_COLD void combine() {
    team.barrier();
    const int columns = k + 1;
    const bool split = splits_offsets(team.blocks, k);
    const Share part = split ? share(team, columns) : Share{0, columns};
    for (int column = part.begin + threadIdx.x; column < part.end; column += blockDim.x) {
      double sum = 0;
      for (int j = 0; j < team.blocks; ++j) {
        offsets[size_t(j) * columns + column] = sum;
        sum += from_others(totals() + size_t(j) * columns + column);
      }
    }
    if (split) team.barrier();
    __syncthreads();
    const int64_t last = n - 1;
    for (int column = threadIdx.x; column < columns; column += blockDim.x) {
      sums[column] = up_to(last, column);
      if (column < k)
        penalty[(1 - current) * k + column] =
            has_mass(column) ? log(fmax(sums[column], double(SMALLEST<T>))) - double(log_b[column]) : 0;
    }
    __syncthreads();
  }

  // Objective of the candidate, whose rows have been computed; `divergence` is this thread's part of KL(P 1 | a).
  OTSEG_COLD double value(double divergence) {
    leave_prefix();
    combine();
    const double finite_a = isinf(rho_a) ? 0 : rho_a;
    leave(0, evaluate() + finite_a * divergence);
    double columns = 0, whole = 0;
    for (int column = threadIdx.x; column < k; column += blockDim.x) {
      columns += sums[column] * penalty[(1 - current) * k + column];
      whole += sums[column];
    }
    columns = block_sum(columns, scratch);
    whole = block_sum(whole, scratch);
    team.barrier();
    return sum_of(0) + epsilon * (mass * mass_b - whole) + rho_b * (columns - whole + mass_b);
  }

  OTSEG_COLD double distance(bool last) {
    leave(1, respond(last));
    team.barrier();
    return sum_of(1) / mass;
  }

  // The settings of a problem, the sums of its marginals, the spread of its cost, and the point to start from.
  OTSEG_COLD void begin(int64_t problem) {
    __syncthreads();  // every thread is done with the problem before
    if (threadIdx.x == 0) {
      cost = in.cost + problem * in.strides[0];
      a = in.a + problem * n;
      b = in.b + problem * k;
      init = in.init == nullptr ? nullptr : in.init + problem * in.init_strides[0];
      plan = in.plan + problem * n * k;
      f = in.f + problem * n;
      current = 0;
      half_width = in.half_width[problem];
      epsilon = in.epsilon[problem];
      rho_a = in.rho_a[problem];
      rho_b = in.rho_b[problem];
      weight = in.weight[problem];
      const double smoothness = double(in.curvature[problem]) + rho_b;
      ceiling = 1e4 / epsilon;
      const double safe = fmin(1 / smoothness, ceiling);
      floor = isinf(rho_a) ? safe : 0;
      size = in.step == nullptr ? fmin(8 * safe, ceiling) : double(in.step[problem]);
      grow = 2;
    }
    __syncthreads();
    double weight_a = 0, weight_b = 0;
    double high = -infinity<double>(), low = -infinity<double>();  // the largest cost, and minus the smallest
    for (int column = threadIdx.x; column < k; column += blockDim.x) {
      const T weight = mass_or_zero(b[column]);
      log_b[column] = weight > 0 ? logarithm(weight) : -infinity<T>();
      weight_b += weight;
    }
    for (int64_t row = first + threadIdx.x; row < end; row += blockDim.x) weight_a += mass_of(row);
    for (unsigned at = threadIdx.x; at < unsigned(frames_here) * unsigned(k); at += blockDim.x) {
      const int64_t row = first + at / unsigned(k);
      if (!(mass_of(row) > 0)) continue;
      const double c = cost[row * in.strides[1] + at % unsigned(k) * in.strides[2]];
      high = larger(high, c);
      low = larger(low, -c);
    }
    leave(0, weight_a);
    high = block_max(high, scratch);
    low = block_max(low, scratch);
    if (threadIdx.x == 0) {
      parts()[team.rank * 4 + 2] = high;
      parts()[team.rank * 4 + 3] = low;
    }
    weight_b = block_sum(weight_b, scratch);
    team.barrier();
    const double weight_all = sum_of(0);
    for (int j = 0; j < team.blocks; ++j) {
      high = larger(high, from_others(parts() + j * 4 + 2));
      low = larger(low, from_others(parts() + j * 4 + 3));
    }
    if (threadIdx.x == 0) {
      mass = weight_all;
      mass_b = weight_b;
      rounding = 16 * UNIT<T> * weight_all * (high + low + 2 * double(in.curvature[problem]) + epsilon);
    }
    __syncthreads();
    const double first_value = value(start_rows());
    accept(first_value, problem, 0);
  }

  // Make the candidate the accepted point.
  OTSEG_COLD void accept(double new_objective, int64_t problem, int64_t iteration) {
    __syncthreads();
    if (threadIdx.x == 0) {
      objective = new_objective;
      current = 1 - current;
      if (in.trace && team.rank == 0) in.history[problem * (in.max_iter + 1) + iteration] = T(objective);
    }
    __syncthreads();
  }

  // Accept the candidate unless it raises the objective, and adapt the step to what it does.
  OTSEG_COLD void judge(double new_objective, int64_t problem, int64_t iteration) {
    const double change = new_objective - objective;
    const bool rises = in.step == nullptr && !(change <= rounding), falls = change < -rounding;
    __syncthreads();
    if (threadIdx.x == 0 && in.step == nullptr) {
      if (rises) grow = 1.2;
      size = rises ? fmax(0.25 * size, floor) : falls ? fmin(grow * size, ceiling) : size;
    }
    if (!rises) {
      accept(new_objective, problem, iteration);
    } else if (threadIdx.x == 0 && in.trace && team.rank == 0) {
      in.history[problem * (in.max_iter + 1) + iteration] = T(objective);
    }
    __syncthreads();
  }

  __device__ __forceinline__ void solve(int64_t problem) {
    begin(problem);
    int64_t iteration = 0;
    for (; iteration < in.max_iter; ++iteration) {
      if (in.test && iteration && iteration % TEST_EVERY == 0 && distance(false) < in.tol) break;
      const double scale = epsilon + 1 / size;
      judge(value(rows(1 / (size * scale), 1 / scale)), problem, iteration + 1);
    }
    const double error = distance(true);
    if (team.rank != 0) return;
    if (threadIdx.x == 0) {
      in.objective[problem] = T(objective);
      in.error[problem] = T(error);
      in.n_iter[problem] = iteration;
    }
    for (int column = threadIdx.x; column < k; column += blockDim.x)
      in.g[problem * k + column] = T(-rho_b * penalty[current * k + column]);
    if (in.trace)
      for (int64_t i = iteration + 1 + threadIdx.x; i <= in.max_iter; i += blockDim.x)
        in.history[problem * (in.max_iter + 1) + i] = T(objective);
  }
