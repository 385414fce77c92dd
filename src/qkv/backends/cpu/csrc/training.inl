// What training does to numbers one by one: AdamW on some rows of a weight, and dropout. Included by kernels.inl.

INLINE vf root(vf x) {
#if defined(__AVX512F__)
  return reinterpret_cast<vf>(_mm512_sqrt_ps(reinterpret_cast<__m512>(x)));
#elif defined(__AVX2__)
  return reinterpret_cast<vf>(_mm256_sqrt_ps(reinterpret_cast<__m256>(x)));
#else
  for (int i = 0; i < VL; i++) x[i] = std::sqrt(x[i]);
  return x;
#endif
}

// The sum of squared gradients of rows; those that have any become live.
double squares(const Parameter* p, int64_t first, int64_t last) {
  double total = 0;
  for (int64_t r = first; r < last; r++) {
    const float* g = p->grad + r * p->width;
    vf sums[4] = {};
    vi bits{};  // a square may be zero where its number is not
    int64_t i = 0;
    auto take = [&](vf x, vf& into) INLINE_LAMBDA {
      into += x * x;
      bits |= reinterpret_cast<vi>(x) & 0x7fffffff;
    };
    for (; i + 4 * VL <= p->width; i += 4 * VL) UNROLL for (int j = 0; j < 4; j++) take(load(g + i + j * VL), sums[j]);
    for (; i < p->width; i += VL) take(load_some(g + i, p->width - i < VL ? p->width - i : VL), sums[0]);
    total += sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (int j = 0; j < VL; j++) p->live[r] |= bits[j] != 0;
  }
  return total;
}

// A row that never had a gradient has no moments, so only its decay is left to do.
void adamw(const Parameter* p, int64_t first, int64_t last, float factor) {
  for (int64_t r = first; r < last; r++) {
    const int64_t begin = r * p->width;
    float *w = p->weight + begin, *m = p->mean + begin, *v = p->square + begin;
    const float* g = p->grad + begin;
    const bool live = p->live[r];
    if (!live && p->keep == 1.0f) continue;
    for (int64_t i = 0; i < p->width; i += VL) {
      const int n = p->width - i < VL ? p->width - i : VL;
      vf weight = load_some(w + i, n) * p->keep;
      if (live) {
        const vf grad = load_some(g + i, n) * factor, before = load_some(m + i, n);
        const vf mean = before + (grad - before) * p->mean_part;
        const vf square = load_some(v + i, n) * p->beta2 + p->square_part * grad * grad;
        weight -= p->rate * mean / (root(square) / p->correction + p->epsilon);
        store_some(m + i, mean, n), store_some(v + i, square, n);
      }
      store_some(w + i, weight, n);
    }
  }
}

// Bits that look drawn, of a counter (C. Wellons' lowbias32): each bit of x changes each of the result in half of all cases.
INLINE uint32_t mixed(uint32_t x) {
  x = (x ^ x >> 16) * 0x7feb352du;
  x = (x ^ x >> 15) * 0x846ca68bu;
  return x ^ x >> 16;
}

// x times scale where what is drawn is below `limit`, else 0. It is drawn by number and key, so again if it is asked again.
void dropout(const float* x, float* y, int64_t first, int64_t last, uint64_t key, uint32_t limit, float scale) {
  for (int64_t begin = first; begin < last; begin += DROPPED) {
    const uint32_t low = static_cast<uint32_t>(key), block = mixed(static_cast<uint32_t>(key >> 32) + static_cast<uint32_t>(begin / DROPPED));
    const int n = last - begin < DROPPED ? last - begin : DROPPED;
    for (int i = 0; i < n; i++) {
      const float value = x[begin + i] * scale;
      y[begin + i] = mixed(mixed(i ^ low) + block) < limit ? value : 0.0f;
    }
  }
}
