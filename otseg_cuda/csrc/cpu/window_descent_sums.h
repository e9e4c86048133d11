// Sums of a plan over the window of every frame, without the frame itself, see window_descent.cpp and
// window_descent_layout.h. Included like those.

struct WindowSums : Layout {
  using Layout::Layout;

  // A time at which a lane may be beyond its part of the sequence: then it is at the time `at`, in `chunk`, of `lanes`
  // lanes further.
  struct Time {
    int64_t lanes, at, chunk;
    bool any() const { return lanes > -LANES && lanes < LANES; }
  };
  Time time(int64_t t) const {
    const int64_t lanes = t >= 0 ? t / length : -((length - 1 - t) / length), at = t - lanes * length;
    return {lanes, at, at / (strips_per_chunk * VECS)};
  }

  // The plan from a time on: where it is, for how many vectors, and which lanes have such frames.
  struct Stream {
    int64_t lanes, left;
    const T* from;
    SignedVec there;
  };
  Stream stream(const T* p, Time time) const {
    SignedVec other;
    for (Signed lane = 0; lane < LANES; ++lane) other[lane] = lane;
    other += time.any() ? static_cast<Signed>(time.lanes) : Signed(LANES);
    return {time.lanes, length - time.at, p + time.at * LANES + (time.any() ? time.lanes : 0),
            (other >= 0) & (other < static_cast<Signed>(LANES))};
  }
  OTSEG_INLINE Vec at(const Stream& s, int64_t i) {
    return (Vec)((SignedVec)load_unaligned(s.from + i * LANES) & s.there);
  }

  Vec next(Stream& s, int64_t c) const {
    if (s.left == 0) s = stream(plan + c * row, {s.lanes + 1, 0, 0});
    const Vec x = at(s, 0);
    s.from += LANES, --s.left;
    return x;
  }

  // x[i] += sign * (sums of an action of the candidate over the times before `time`, per lane), from the nearest border
  // of chunks.
  OTSEG_INLINE void add_before(const WindowSums& d, int64_t c, Time time, double sign, double* x) {
    if (!time.any()) return;
    const int64_t low = time.chunk * d.strips_per_chunk * VECS, high = d.end_of(time.chunk) * VECS;
    const bool up = time.at - low <= high - time.at;
    const T* p = d.plan + c * d.row;
    const double* known = d.before(up ? time.chunk : time.chunk + 1, c);
    double part[3 * LANES];  // lanes further than the last, or before the first, have nothing
    for (int64_t lane = 0; lane < LANES; ++lane) {
      part[lane] = part[2 * LANES + lane] = 0;
      part[LANES + lane] = known[lane];
    }
    for (int64_t t = up ? low : time.at, end = up ? time.at : high; t < end;) {
      Vec sums[VECS] = {};
      const int64_t stop = std::min(end, t + FLUSH);
      for (; t + VECS <= stop; t += VECS)
        for (int v = 0; v < VECS; ++v) sums[v] += load(p + (t + v) * LANES);
      for (; t < stop; ++t) sums[0] += load(p + t * LANES);
      sums[0] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
      for (int64_t lane = 0; lane < LANES; ++lane) part[LANES + lane] += up ? sums[0][lane] : -sums[0][lane];
    }
    for (int64_t lane = 0; lane < LANES; ++lane) x[lane] += sign * part[LANES + lane + time.lanes];
  }

  // Per lane: the window of the frame before the first of a stretch, from the frames that enter and leave it next.
  OTSEG_INLINE void first_window(const WindowSums& d, int64_t c, Time enter, Time leave, double* x) {
    for (int64_t lane = 0; lane < LANES; ++lane) x[lane] = 0;
    if (2 * d.r + 1 <= FLUSH) {  // one by one
      Vec total = {};
      Stream s = d.stream(d.plan + c * d.row, leave);
      for (int64_t i = 0; i < 2 * d.r + 1; ++i) total += d.next(s, c);
      for (int64_t lane = 0; lane < LANES; ++lane) x[lane] = total[lane];
      return;
    }
    const int64_t low = std::max<int64_t>(leave.lanes, 1 - LANES), high = std::min<int64_t>(enter.lanes, LANES);
    for (int64_t lanes = low; lanes < high; ++lanes) add_before(d, c, {lanes, d.length, d.chunks - 1}, 1, x);
    add_before(d, c, enter, 1, x);
    add_before(d, c, leave, -1, x);
  }

  // A stretch of time: its borders, when the frames are that enter the window of its first frame, and that leave it.
  struct Stretch {
    int64_t first, end;
    Time enter, leave;
  };
  Stretch stretch(int64_t first_chunk, int64_t last_chunk) const {
    const int64_t first = first_chunk * strips_per_chunk * VECS;
    return {first, end_of(last_chunk) * VECS, time(first + r), time(first - r - 1)};
  }

  // Window sums of an action in a stretch; adds `sign` times their product with the plan to `energy`, per lane.
  OTSEG_CALLED void window_row(int64_t c, const Stretch& stretch, double sign, double* energy) {
    const auto& [first, end, enter, leave] = stretch;
    const T* p = plan + c * row;
    int64_t t = first;
    double carry[LANES];
    first_window(*this, c, enter, leave, carry);
    Stream enters = stream(p, enter), leaves = stream(p, leave);
    T* out = tile(w_new, t / VECS, k + 1) + c * STRIP;
    while (t < end) {
      Vec start, change = {}, dot[2] = {};
      for (int64_t lane = 0; lane < LANES; ++lane) start[lane] = T(carry[lane]);
      for (const int64_t stop = std::min(t + FLUSH, end); t < stop; t += VECS, out += (k + 1) * STRIP) {
        Vec difference[VECS];
        if (std::min(enters.left, leaves.left) >= VECS) {
          for (int v = 0; v < VECS; ++v) difference[v] = at(enters, v) - at(leaves, v);
          enters.from += STRIP, enters.left -= VECS;
          leaves.from += STRIP, leaves.left -= VECS;
        } else {
          for (int v = 0; v < VECS; ++v) {
            difference[v] = next(enters, c);
            difference[v] -= next(leaves, c);
          }
        }
#pragma GCC unroll 4
        for (int v = 0; v < VECS; ++v) {
          const Vec self = load(p + (t + v) * LANES);
          change += difference[v];
          const Vec near = (start + change) - self;
          store(out + v * LANES, near);
          dot[v % 2] += near * self;
        }
      }
      dot[0] += dot[1];
      for (int64_t lane = 0; lane < LANES; ++lane) {
        carry[lane] += change[lane];
        energy[lane] += sign * dot[0][lane];
      }
    }
  }

  // Window sums of the candidate for the actions [first, end), and their share of its quadratic term.
  double window(int64_t first, int64_t end) {
    const int64_t most = std::min(chunks, (15 + k) / k), size = (chunks + most - 1) / most;
    const int64_t parts = (chunks + size - 1) / size;
    Stretch stretches[16];
    for (int64_t i = 0; i < parts; ++i) stretches[i] = stretch(i * size, std::min(chunks, (i + 1) * size) - 1);
    crew->run((end - first) * parts, [&](int64_t task) {
      const int64_t c = first + task / parts;
      double lanes[LANES] = {};
      window_row(c, stretches[task % parts], c == k ? 1 : -1, lanes);
      energies_.get()[task] = std::accumulate(lanes, lanes + LANES, 0.0);
    });
    return std::accumulate(energies_.get(), energies_.get() + (end - first) * parts, 0.0);
  }
};
