// The best path of one sequence after the other; see viterbi.cpp for the idea. Included once per type and instruction
// set, inside of a namespace that has defined T; hence no include guard.

static constexpr int GROUP = 2;  // vectors of states that are reached together
static constexpr T NEVER = -std::numeric_limits<T>::infinity();

struct Decoder {
  int64_t k, width;  // states, and states in memory: the rest of a row is never reached
  int pointer_bytes;
  // Transitions, rows of `width`; and which rows reach a group of columns at all.
  Buffer<T> chain_;
  Buffer<int64_t> begin_, end_;
  // Where every transition to another state scores the same: that score, and those of staying.
  bool uniform;
  T away;
  Buffer<T> stay_;

  Buffer<T> row_, states_;
  T *best, *next;           // of all paths that end in a state, up to this frame and up to the next
  Buffer<Signed> from_;     // the state before, on the best path that ends in a state
  Buffer<uint8_t> before_;  // the same for every frame

  void prepare(int64_t states) {
    k = states;
    width = (k + GROUP * LANES - 1) / (GROUP * LANES) * (GROUP * LANES);
    pointer_bytes = k <= 256 ? 1 : k <= 65536 ? 2 : 4;
    for (Buffer<T>* buffer : {&stay_, &row_, &states_}) std::fill_n(buffer->get(2 * width), 2 * width, NEVER);
    from_.get(width);
    best = states_.get(), next = best + width;
  }

  void read_chain(const T* transition, const int64_t* strides) {
    const auto entry = [&](int64_t i, int64_t j) { return transition[i * strides[1] + j * strides[2]]; };
    uniform = true;
    away = k > 1 ? entry(0, 1) : NEVER;
    for (int64_t i = 0; i < k; ++i) {
      stay_.get()[i] = entry(i, i);
      for (int64_t j = 0; j < k; ++j) uniform = uniform && (i == j || entry(i, j) == away);
    }
    if (uniform) return;
    T* chain = chain_.get(k * width);
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t j = 0; j < k; ++j) chain[i * width + j] = entry(i, j);
      std::fill(chain + i * width + k, chain + (i + 1) * width, NEVER);
    }
    const int64_t group = GROUP * LANES;
    int64_t *begin = begin_.get(width / group), *end = end_.get(width / group);
    for (int64_t g = 0; g < width / group; ++g) {
      const auto used = [&](int64_t i) {
        const T* part = chain + i * width + g * group;
        return std::any_of(part, part + group, [](T x) { return x != NEVER; });
      };
      begin[g] = 0, end[g] = k;
      while (begin[g] < end[g] && !used(begin[g])) ++begin[g];
      while (end[g] > begin[g] && !used(end[g] - 1)) --end[g];
    }
  }

  // Keep the states before of one frame, in the smallest type.
  void keep(uint8_t* pointers) const {
    const Signed* from = from_.get();
    if (pointer_bytes == 1) {
      for (int64_t i = 0; i < width; ++i) pointers[i] = static_cast<uint8_t>(from[i]);
    } else if (pointer_bytes == 2) {
      uint16_t* to = reinterpret_cast<uint16_t*>(pointers);
      for (int64_t i = 0; i < width; ++i) to[i] = static_cast<uint16_t>(from[i]);
    } else {
      uint32_t* to = reinterpret_cast<uint32_t*>(pointers);
      for (int64_t i = 0; i < width; ++i) to[i] = static_cast<uint32_t>(from[i]);
    }
  }

  int64_t pointer(const uint8_t* pointers, int64_t at) const {
    if (pointer_bytes == 1) return pointers[at];
    if (pointer_bytes == 2) return reinterpret_cast<const uint16_t*>(pointers)[at];
    return reinterpret_cast<const uint32_t*>(pointers)[at];
  }

  // One frame on, whatever the transitions: the first of the best states before wins, as they are tried in order.
  void step() {
    const T *row = row_.get(), *chain = chain_.get();
    for (int64_t at = 0, g = 0; at < width; at += GROUP * LANES, ++g) {
      Vec reach[GROUP];
      SignedVec from[GROUP] = {};
      for (int v = 0; v < GROUP; ++v) reach[v] = broadcast(NEVER);
      for (int64_t i = begin_.get()[g]; i < end_.get()[g]; ++i)
#pragma GCC unroll 8
        for (int v = 0; v < GROUP; ++v) {
          const Vec score = load(chain + i * width + at + v * LANES) + best[i];
          const SignedVec better = score > reach[v];
          reach[v] = better ? score : reach[v];
          from[v] = better ? SignedVec{} + Signed(i) : from[v];
        }
      for (int v = 0; v < GROUP; ++v) {
        store(next + at + v * LANES, reach[v] + load(row + at + v * LANES));
        *reinterpret_cast<SignedVec*>(from_.get() + at + v * LANES) = from[v];
      }
    }
  }

  // One frame on, where only staying differs: against the best state before (the lowest of them), whatever the state.
  void step_uniform() {
    const T *row = row_.get(), *stay = stay_.get();
    SignedVec lane;
    for (int i = 0; i < LANES; ++i) lane[i] = i;
    Vec highest = broadcast(NEVER);
    SignedVec where = lane;
    for (int64_t at = 0; at < width; at += LANES) {
      const Vec score = load(best + at) + away;
      const SignedVec better = score > highest;
      highest = better ? score : highest;
      where = better ? lane + Signed(at) : where;
    }
    const T top = max(highest);
    Signed leader = Signed(k);
    for (int i = 0; i < LANES; ++i)
      if (highest[i] == top && where[i] < leader) leader = where[i];
    leader = leader < k ? leader : 0;  // of scores that are no numbers
    for (int64_t at = 0; at < width; at += LANES) {
      const SignedVec state = lane + Signed(at);
      const Vec kept = load(best + at) + load(stay + at);
      const SignedVec stays = (kept > broadcast(top)) | ((kept == broadcast(top)) & (state < SignedVec{} + leader));
      store(next + at, (stays ? kept : broadcast(top)) + load(row + at));
      *reinterpret_cast<SignedVec*>(from_.get() + at) = stays ? state : SignedVec{} + leader;
    }
    // Nobody comes to the leader from itself by going away.
    T reach = best[leader] + stay[leader];
    if (reach > top) return;
    Signed from = leader;
    for (int64_t i = 0; i < k; ++i) {
      const T score = best[i] + away;
      if (i != leader && (score > reach || (score == reach && i < from))) reach = score, from = Signed(i);
    }
    next[leader] = reach + row[leader];
    from_.get()[leader] = from;
  }

  // Path and score of a sequence; `initial`, `final` and `mask` may be null.
  void decode(const T* scores, const int64_t* strides, int64_t n, const T* initial, const T* final, const bool* mask,
              int64_t* path, T* value) {
    uint8_t* before = before_.get(n * width * pointer_bytes);
    const int64_t frame = width * pointer_bytes;
    int64_t real = 0;
    for (int64_t i = 0; i < n; ++i) {
      if (mask != nullptr && !mask[i]) continue;
      const T* from = scores + i * strides[1];
      T* row = real == 0 ? best : row_.get();
      for (int64_t c = 0; c < k; ++c) row[c] = from[c * strides[2]];
      if (real == 0) {
        for (int64_t c = 0; c < k && initial != nullptr; ++c) row[c] = initial[c] + row[c];
      } else {
        uniform ? step_uniform() : step();
        keep(before + real * frame);
        std::swap(best, next);
      }
      ++real;
    }
    *value = 0;
    int64_t at = 0;
    if (real > 0) {
      for (int64_t c = 0; c < k && final != nullptr; ++c) best[c] += final[c];
      for (int64_t c = 1; c < k; ++c) at = best[c] > best[at] ? c : at;
      *value = best[at];
    }
    const bool allowed = *value > NEVER;
    for (int64_t i = n - 1; i >= 0; --i) {
      const bool on_path = mask == nullptr || mask[i];
      path[i] = on_path && allowed ? at : -1;
      if (on_path && --real > 0) at = pointer(before + real * frame, at);
    }
  }
};

// Decode the sequences [begin, end) of a batch one after the other.
static void decode_range(const Batch& batch, int64_t begin, int64_t end) {
  Decoder decoder;
  decoder.prepare(batch.k);
  for (int64_t p = begin; p < end; ++p) {
    const auto of = [&](const void* data, int64_t size) {
      return data == nullptr ? nullptr : static_cast<const T*>(data) + p * size;
    };
    if (p == begin || batch.chain_strides[0] != 0)
      decoder.read_chain(of(batch.transition, batch.chain_strides[0]), batch.chain_strides);
    decoder.decode(of(batch.scores, batch.strides[0]), batch.strides, batch.n, of(batch.initial, batch.k),
                   of(batch.final, batch.k), batch.mask == nullptr ? nullptr : batch.mask + p * batch.n,
                   batch.path + p * batch.n, static_cast<T*>(batch.value) + p);
  }
}
