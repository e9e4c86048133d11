// Passes of ViterbiBlock over the frames of a sequence, included inside of it: there and back.

  // Scores of this thread's state in the frames from `first` on.
  __device__ __forceinline__ void fetch(int64_t first, T (&ahead)[AHEAD]) const {
    const T* from = scores + threadIdx.x * in.strides[2];
#pragma unroll
    for (int u = 0; u < AHEAD; ++u) {
      ahead[u] = 0;
      if (int(threadIdx.x) < k && first + u < in.n) ahead[u] = from[(first + u) * in.strides[1]];
    }
  }

  // Scores of all paths up to the last frame, and where they are; null where there is no frame.
  __device__ __forceinline__ const T* forward(int64_t problem) {
    T column[FEW ? FEW_STATES : 1];
    if (FEW) {
#pragma unroll
      for (int i = 0; i < FEW_STATES; ++i)
        column[FEW ? i : 0] = i < k && int(threadIdx.x) < k ? transition(i, threadIdx.x) : -infinity<T>();
    }
    const int lane = threadIdx.x % 32;
    T *now = best, *next = best + padded_states(k), *slots = ring + threadIdx.x;
    bool started = false, real_ahead = lane < AHEAD && is_real(lane);
    T ahead[AHEAD];
    fetch(0, ahead);
    for (int64_t first = 0; first < in.n; first += AHEAD) {
#pragma unroll
      for (int u = 0; u < AHEAD; ++u) slots[u * blockDim.x] = ahead[u];
      const unsigned real = __ballot_sync(FULL, real_ahead);
      fetch(first + AHEAD, ahead);  // on its way while these frames are computed
      real_ahead = lane < AHEAD && is_real(first + AHEAD + lane);
#pragma unroll 1
      for (int u = 0; u < AHEAD; ++u) {
        if ((real >> u & 1) == 0) continue;
        Choice<T> top = {0, 0}, second = {0, 0};
        if (!FEW && started && uniform) {
          top = leader(now, -1, [this](int) { return away; });
          second = {-infinity<T>(), k};
          if (!(now[top.from] + transition(top.from, top.from) > top.score))
            second = leader(now, top.from, [this](int) { return away; });
        }
        for (int state = threadIdx.x; state < (FEW ? FEW_STATES : k); state += blockDim.x) {
          T score = slots[u * blockDim.x];
          if (!FEW && state != int(threadIdx.x))
            score = scores[(first + u) * in.strides[1] + state * in.strides[2]];
          Choice<T> way = {-infinity<T>(), 0};
          if (!started) {
            if (state < k) next[state] = (in.initial == nullptr ? T(0) : in.initial[problem * k + state]) + score;
            continue;
          }
          if (FEW) {
#pragma unroll
            for (int i = 0; i < FEW_STATES; i += 4) {
              if (i >= k) break;
              const Four<T> x = *reinterpret_cast<const Four<T>*>(now + i);
              const T* t = column + (FEW ? i : 0);
              way.against(x.x[0] + t[0], x.x[1] + t[FEW ? 1 : 0], x.x[2] + t[FEW ? 2 : 0], x.x[3] + t[FEW ? 3 : 0], i);
            }
          } else {
            way = uniform ? reach(now, state, top, second) : reach(now, state);
          }
          if (state < k) {
            next[state] = way.score + score;
            keep(first + u, state, way.from);
          }
        }
        started = true;
        T* other = now;
        now = next;
        next = other;
        barrier();
      }
    }
    return started ? now : nullptr;
  }

  // Follow the path that ends in a state through the back-pointers; `allowed` is whether there is a path.
  OTSEG_COLD void backward(int64_t problem, int state, bool allowed) {
    const int frames = frames_of_tile(k, in.pointer_bytes), row = k * in.pointer_bytes;
    int64_t* path = in.path + problem * in.n;
    for (int64_t stop = in.n; stop > 0; stop -= frames) {
      const int64_t start = stop > frames ? stop - frames : 0, skipped = start * row / 16;
      const int count = int(stop - start), words = int((stop * row + 15) / 16 - skipped);
      __syncthreads();  // the tile before has been written
      const Word* from = reinterpret_cast<const Word*>(before) + skipped;
      for (int i = threadIdx.x; allowed && i < words; i += blockDim.x) reinterpret_cast<Word*>(tile)[i] = from[i];
      for (int i = threadIdx.x; i < count; i += blockDim.x) stage[i] = is_real(start + i) && allowed ? 0 : -1;
      __syncthreads();
      if (threadIdx.x == 0 && allowed) {
        const unsigned char* p = tile + (start * row - skipped * 16) + int64_t(count - 1) * row;
        for (int i = count - 1; i >= 0; --i, p -= row) {
          if (stage[i] < 0) continue;
          stage[i] = state;
          state = pointer(p, state);  // that of the first frame is no state, and not used
        }
      }
      __syncthreads();
      for (int i = threadIdx.x; i < count; i += blockDim.x) path[start + i] = stage[i];
    }
  }
