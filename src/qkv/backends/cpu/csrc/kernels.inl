// The kernels, written once; each kernels_*.cpp compiles them for its processors.
#include "kernels.h"
#include "simd.h"

namespace {

constexpr int PANEL = 16;           // rows of quantised weights that stand together
constexpr int VECTORS = PANEL / VL;  // of them
constexpr int AHEAD = 1024;         // bytes: one sequential stream with prefetch reads at the speed of the memory

// ------------------------------------------------------------------------------------------------ activations

// f of the function that an activation stands for, so that loops in f hold no choice.
template <class F> INLINE void activation(int act, const F& f) {
  switch (act) {
    case ACT_GELU: return f([](vf x) INLINE_LAMBDA { return 0.5f * x * (1.0f + erf(x * 0.70710678f)); });
    case ACT_GELU_TANH: return f([](vf x) INLINE_LAMBDA { return 0.5f * x * (1.0f + tanh(0.79788456f * (x + 0.044715f * x * x * x))); });
    case ACT_SILU: return f([](vf x) INLINE_LAMBDA { return x * sigmoid(x); });
    case ACT_RELU: return f([](vf x) INLINE_LAMBDA { return max(x, vf{}); });
    case ACT_QUICK_GELU: return f([](vf x) INLINE_LAMBDA { return x * sigmoid(1.702f * x); });
    case ACT_RELU2: return f([](vf x) INLINE_LAMBDA { return max(x, vf{}) * max(x, vf{}); });
    case ACT_TANH: return f([](vf x) INLINE_LAMBDA { return tanh(x); });
    case ACT_SIGMOID: return f([](vf x) INLINE_LAMBDA { return sigmoid(x); });
    default: return f([](vf x) INLINE_LAMBDA { return x; });
  }
}

// f on every vector of n numbers; the last ones through a padded copy.
template <class F> INLINE void each(int n, float* y, const F& f) {
  int i = 0;
  for (; i + VL <= n; i += VL) store(y + i, f(i, VL));
  if (i < n) {
    const vf v = f(i, n - i);
    std::memcpy(y + i, &v, 4 * (n - i));
  }
}

INLINE vf load_some(const float* p, int n) {
  if (n == VL) return load(p);
  vf v{};
  std::memcpy(&v, p, 4 * n);
  return v;
}

INLINE void store_some(float* p, vf v, int n) {
  if (n == VL) store(p, v);
  else std::memcpy(p, &v, 4 * n);
}

void activate_row(float* y, int n, int act) {
  activation(act, [&](auto of) { each(n, y, [&](int i, int m) INLINE_LAMBDA { return of(load_some(y + i, m)); }); });
}

void gate(const float* g, const float* up, float* y, int n, int act) {
  activation(act, [&](auto of) { each(n, y, [&](int i, int m) INLINE_LAMBDA { return of(load_some(g + i, m)) * load_some(up + i, m); }); });
}

// ------------------------------------------------------------------------------------------------ f32 and f16 weights

template <class W> INLINE vf load_weight(const W* p);
template <> INLINE vf load_weight(const float* p) { return load(p); }
template <> INLINE vf load_weight(const uint16_t* p) { return load_half(p); }
INLINE float one(const float* p) { return *p; }
INLINE float one(const uint16_t* p) {
  uint16_t some[VL] = {*p};
  return load_half(some)[0];
}

// M rows of x times N rows of W along K. Each product is one chain of sums over K, so that a row gives the same bits
// in whatever batch it is.
template <int M, int N, class W>
INLINE void tile(const float* x, int64_t ldx, const W* w, int64_t ldw, int k, vf (&acc)[M][N]) {
  UNROLL for (int i = 0; i < M; i++) UNROLL for (int j = 0; j < N; j++) acc[i][j] = vf{};
  for (int c = 0; c + VL <= k; c += VL) {
    vf b[N];
    UNROLL for (int j = 0; j < N; j++) b[j] = load_weight(w + j * ldw + c);
    if (N == 1) prefetch(reinterpret_cast<const char*>(w + c) + AHEAD);
    if (N > 1 && M > 1) UNROLL for (int j = 0; j < N; j++) prefetch(w + (j + N) * ldw + c);  // the rows that come next
    UNROLL for (int i = 0; i < M; i++) {
      const vf a = load(x + i * ldx + c);
      UNROLL for (int j = 0; j < N; j++) acc[i][j] += a * b[j];
    }
  }
}

template <class W> INLINE float rest(const float* x, const W* w, int k) {
  float s = 0;
  for (int c = k / VL * VL; c < k; c++) s += x[c] * one(w + c);
  return s;
}

// For so few rows that reading W takes longest: one row of W after the other, as one stream.
template <int M, class W>
void few_columns(const float* x, int64_t ldx, const W* w, const float* bias, int k, float* y, int64_t ldy, int n, int add) {
  for (int j = 0; j < n; j++, w += k) {
    vf acc[M][1];
    tile<M, 1>(x, ldx, w, k, k, acc);
    float sums[M + 3];
    UNROLL for (int i = 0; i + 4 <= M; i += 4) *reinterpret_cast<v4_any*>(sums + i) = sum4(acc[i][0], acc[i + 1][0], acc[i + 2][0], acc[i + 3][0]);
    UNROLL for (int i = M / 4 * 4; i < M; i++) sums[i] = sum(acc[i][0]);
    for (int i = 0; i < M; i++) {
      const float s = sums[i] + (k % VL ? rest(x + i * ldx, w, k) : 0.0f) + (bias ? bias[j] : 0.0f);
      y[i * ldy + j] = add ? y[i * ldy + j] + s : s;
    }
  }
}

template <int M, class W>
void four_columns(const float* x, int64_t ldx, const W* w, const float* bias, int k, float* y, int64_t ldy, int add) {
  vf acc[M][4];
  tile<M, 4>(x, ldx, w, k, k, acc);
  const v4 b = bias ? *reinterpret_cast<const v4_any*>(bias) : v4{};
  UNROLL for (int i = 0; i < M; i++) {
    v4 s = sum4(acc[i][0], acc[i][1], acc[i][2], acc[i][3]);
    if (k % VL) s += v4{rest(x + i * ldx, w, k), rest(x + i * ldx, w + k, k), rest(x + i * ldx, w + 2 * k, k), rest(x + i * ldx, w + 3 * k, k)};
    v4_any* out = reinterpret_cast<v4_any*>(y + i * ldy);
    s += b;
    *out = add ? *out + s : s;
  }
}

// The same for fewer rows than M.
template <int M, class W>
void four_columns_of(int64_t rows, const float* x, int64_t ldx, const W* w, const float* bias, int k, float* y, int64_t ldy, int add) {
  if constexpr (M > 1) {
    if (rows == M - 1) four_columns<M - 1>(x, ldx, w, bias, k, y, ldy, add);
    else four_columns_of<M - 1>(rows, x, ldx, w, bias, k, y, ldy, add);
  }
}

// For many rows: WIDE rows of W are turned once into a panel [K][WIDE], of which each step along K multiplies M rows.
constexpr int WIDE = 2 * VL, DEEP = 128;  // columns of a panel: short chains of sums round less, and it stays in cache

#if defined(__AVX2__)
// 8 x 8: p[i * from + j] -> to[j * WIDE + i]
INLINE void turn(const float* p, int64_t from, float* to) {
  __m256 r[8], t[8], u[8];
  UNROLL for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(p + i * from);
  UNROLL for (int i = 0; i < 8; i += 2) t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]), t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  UNROLL for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44), u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44), u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  UNROLL for (int i = 0; i < 4; i++) {
    _mm256_storeu_ps(to + i * WIDE, _mm256_permute2f128_ps(u[i], u[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * WIDE, _mm256_permute2f128_ps(u[i], u[i + 4], 0x31));
  }
}
#endif

void make_panel(const float* w, int64_t ldw, int k, float* panel) {
  int c = 0;
#if defined(__AVX2__)
  for (; c + 8 <= k; c += 8)
    for (int r = 0; r < WIDE; r += 8) turn(w + r * ldw + c, ldw, panel + c * WIDE + r);
#endif
  for (; c < k; c++)
    for (int r = 0; r < WIDE; r++) panel[c * WIDE + r] = w[r * ldw + c];
}

float* panel_memory() {
  alignas(64) static thread_local float memory[WIDE * DEEP];
  return memory;
}

template <int M> INLINE void panel_tile(const float* x, int64_t ldx, const float* panel, int k, const float* bias, float* y, int64_t ldy, bool add) {
  vf acc[M][2];
  UNROLL for (int i = 0; i < M; i++) UNROLL for (int v = 0; v < 2; v++) acc[i][v] = vf{};
  auto step = [&](int c) INLINE_LAMBDA {
    const vf a = load(panel + c * WIDE), b = load(panel + c * WIDE + VL);
    UNROLL for (int i = 0; i < M; i++) {
      const vf s = splat(x[i * ldx + c]);
      acc[i][0] += s * a;
      acc[i][1] += s * b;
    }
  };
  int c = 0;
  for (; c + 16 <= k; c += 16) {
    UNROLL for (int i = 0; i < M; i++) prefetch(x + (M + i) * ldx + c);  // the next tile's
    for (int d = 0; d < 16; d++) step(c + d);
  }
  for (; c < k; c++) step(c);
  UNROLL for (int i = 0; i < M; i++) UNROLL for (int v = 0; v < 2; v++) {
    if (bias) acc[i][v] += load(bias + v * VL);
    if (add) acc[i][v] += load(y + i * ldy + v * VL);
    store(y + i * ldy + v * VL, acc[i][v]);
  }
}

// f(a tile's rows as a constant, the first of them) for all rows.
template <class F> INLINE void tiles(int64_t rows, const F& f) {
  constexpr int M = VL == 16 ? 12 : VL == 8 ? 6 : 4;  // as many as registers hold
  int64_t i = 0;
  for (; i + M <= rows; i += M) f(std::integral_constant<int, M>{}, i);
  for (; i + 4 <= rows; i += 4) f(std::integral_constant<int, 4>{}, i);
  for (; i + 2 <= rows; i += 2) f(std::integral_constant<int, 2>{}, i);
  if (i < rows) f(std::integral_constant<int, 1>{}, i);
}

// As many columns as make whole panels; returns how many that were.
int panels_linear(const float* w, const float* bias, int k, const float* x, int64_t ldx, float* y, int64_t ldy, int64_t rows, int n, int add) {
  constexpr int64_t LINES = WIDE * DEEP / 16;  // of memory, that hold a panel's weights
  float* panel = panel_memory();
  const int columns = n / WIDE * WIDE;
  for (int j = 0; j < columns; j += WIDE)
    for (int c = 0; c < k; c += DEEP) {
      const int deep = k - c < DEEP ? k - c : DEEP;
      const float* b = bias && c == 0 ? bias + j : nullptr;
      const float* next = c + DEEP < k ? w + static_cast<int64_t>(j) * k + c + DEEP : w + static_cast<int64_t>(j + WIDE) * k;
      int64_t line = 0;
      make_panel(w + static_cast<int64_t>(j) * k + c, k, deep, panel);
      tiles(rows, [&](auto count, int64_t i) {
        panel_tile<count>(x + i * ldx + c, ldx, panel, deep, b, y + i * ldy + j, ldy, add || c > 0);
        for (const int64_t end = LINES * (i + count) / rows; line < end; line++) prefetch(next + line % WIDE * k + line / WIDE * 16);
      });
    }
  return columns;
}
int panels_linear(const uint16_t*, const float*, int, const float*, int64_t, float*, int64_t, int64_t, int, int) { return 0; }

// Columns n0...n1-1 of y = x w for all rows: x (rows,k), w (k,n), y (rows,n). Panels are copied, as w lies as they do.
void product(const float* x, const float* w, float* y, int64_t rows, int k, int n, int n0, int n1) {
  float* panel = panel_memory();
  for (int j = n0; j < n1; j += WIDE) {
    const int columns = n1 - j < WIDE ? n1 - j : WIDE;
    for (int c = 0; c < k; c += DEEP) {
      const int deep = k - c < DEEP ? k - c : DEEP;
      for (int i = 0; i < deep; i++) {
        const float* from = w + static_cast<int64_t>(c + i) * n + j;
        for (int v = 0; v < columns; v += VL) store(panel + i * WIDE + v, load_some(from + v, columns - v < VL ? columns - v : VL));
      }
      tiles(rows, [&](auto count, int64_t i) {
        float* to = y + i * n + j;
        if (columns == WIDE) return panel_tile<count>(x + i * k + c, k, panel, deep, nullptr, to, n, c > 0);
        float some[count * WIDE];
        panel_tile<count>(x + i * k + c, k, panel, deep, nullptr, some, WIDE, false);
        for (int r = 0; r < count; r++)
          for (int v = 0; v < columns; v++) to[r * n + v] = (c > 0 ? to[r * n + v] : 0.0f) + some[r * WIDE + v];
      });
    }
  }
}

template <class W>
void plain_linear(const W* w, const float* bias, int k, const float* x, int64_t ldx, float* y, int64_t ldy, int64_t rows, int n, int add) {
  constexpr int M = VL == 16 ? 6 : 3;
  constexpr int FEW = 4;        // more would not stay in the first-level cache beside a row of W
  constexpr int MANY = 32;      // so many are worth a panel
  constexpr int64_t BLOCK = 96;  // rows of x that stay in the second-level cache
  if (rows <= FEW) {
    if (rows == 1) return few_columns<1>(x, ldx, w, bias, k, y, ldy, n, add);
    if (rows == 2) return few_columns<2>(x, ldx, w, bias, k, y, ldy, n, add);
    if (rows == 3) return few_columns<3>(x, ldx, w, bias, k, y, ldy, n, add);
    return few_columns<4>(x, ldx, w, bias, k, y, ldy, n, add);
  }
  const int done = rows >= MANY ? panels_linear(w, bias, k, x, ldx, y, ldy, rows, n, add) : 0;
  for (int64_t begin = 0; begin < rows; begin += BLOCK) {
    const int64_t end = begin + BLOCK < rows ? begin + BLOCK : rows;
    int j = done;
    for (; j + 4 <= n; j += 4) {
      const W* p = w + static_cast<int64_t>(j) * k;
      int64_t i = begin;
      for (; i + M <= end; i += M) four_columns<M>(x + i * ldx, ldx, p, bias ? bias + j : nullptr, k, y + i * ldy + j, ldy, add);
      four_columns_of<M>(end - i, x + i * ldx, ldx, p, bias ? bias + j : nullptr, k, y + i * ldy + j, ldy, add);
    }
    for (int64_t i = begin; i < end && j < n; i++)
      few_columns<1>(x + i * ldx, ldx, w + static_cast<int64_t>(j) * k, bias ? bias + j : nullptr, k, y + i * ldy + j, ldy, n - j, add);
  }
}

// ------------------------------------------------------------------------------------------------ quantised weights

// acc + the products of four unsigned and four signed bytes in each lane, exactly.
INLINE vi dot(vi acc, vi weights, vi x) {
#if defined(__AVX512VNNI__)
  return reinterpret_cast<vi>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(acc), reinterpret_cast<__m512i>(weights), reinterpret_cast<__m512i>(x)));
#elif defined(__AVX512BW__)
  const __m512i pairs = _mm512_maddubs_epi16(reinterpret_cast<__m512i>(weights), reinterpret_cast<__m512i>(x));
  return acc + reinterpret_cast<vi>(_mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#elif defined(__AVXVNNI__)
  return reinterpret_cast<vi>(_mm256_dpbusd_avx_epi32(reinterpret_cast<__m256i>(acc), reinterpret_cast<__m256i>(weights), reinterpret_cast<__m256i>(x)));
#elif defined(__AVX2__)
  const __m256i pairs = _mm256_maddubs_epi16(reinterpret_cast<__m256i>(weights), reinterpret_cast<__m256i>(x));
  return acc + reinterpret_cast<vi>(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#else
  const uint8_t* w = reinterpret_cast<const uint8_t*>(&weights);
  const int8_t* b = reinterpret_cast<const int8_t*>(&x);
  for (int i = 0; i < VL; i++) {
    int32_t s = 0;
    for (int c = 0; c < 4; c++) s += w[4 * i + c] * b[4 * i + c];
    acc[i] += s;
  }
  return acc;
#endif
}

// The same for int8 weights, stored with 128 added. Without VNNI pairs of products are summed in 16 bits, which 255 * 127 twice would
// overflow. So activations have seven bits in wide groups, where products are what takes the time (encoders); in fine ones (decoders, which
// read weights) they keep eight, and signs go from weights to x first.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__) || !defined(__AVX2__)
constexpr bool WIDE_SUMS = true;
#else
constexpr bool WIDE_SUMS = false;
#endif
template <int GROUP> constexpr bool TURNED = !WIDE_SUMS && GROUP == FINE_GROUP;
template <int GROUP> constexpr float LEVELS = WIDE_SUMS || GROUP == FINE_GROUP ? 127 : 64;  // the largest code of x
template <int GROUP> constexpr int OFFSET = TURNED<GROUP> ? 0 : -128;  // acc begins as this times the sum of x (Quantised::begins)

template <int GROUP> INLINE vi dot_int8(vi acc, vi weights, vi x) {
  if constexpr (TURNED<GROUP>) {
    const vi codes = weights ^ static_cast<int32_t>(0x80808080);
#if defined(__AVX512BW__)
    const __m512i c = reinterpret_cast<__m512i>(codes), v = reinterpret_cast<__m512i>(x);
    const __m512i turned = _mm512_mask_sub_epi8(v, _mm512_movepi8_mask(c), _mm512_setzero_si512(), v);
    return dot(acc, reinterpret_cast<vi>(_mm512_abs_epi8(c)), reinterpret_cast<vi>(turned));
#elif defined(__AVX2__)
    const __m256i c = reinterpret_cast<__m256i>(codes);
    const __m256i turned = _mm256_sign_epi8(reinterpret_cast<__m256i>(x), c);
    return dot(acc, reinterpret_cast<vi>(_mm256_abs_epi8(c)), reinterpret_cast<vi>(turned));
#endif
  }
  return dot(acc, weights, x);
}

INLINE vi four_codes(const int8_t* p) {
  int32_t bits;
  std::memcpy(&bits, p, 4);
  return splat_int(bits);
}

// A row of x: for each group, codes = rint(x * LEVELS / max|x|).
// `of` the numbers i...i+m-1 of the row.
template <int GROUP, class F> INLINE void quantise_groups(int k, const Quantised* q, int64_t row, const F& of) {
  constexpr int N = GROUP / VL;
  const int groups = static_cast<int>(q->width / GROUP);
  int8_t* codes = q->codes + row * q->width;
  for (int g = 0; g < groups; g++, codes += GROUP) {
    const int begin = g * GROUP;
    vf v[N], most{};
    if (begin + GROUP <= k) UNROLL for (int i = 0; i < N; i++) v[i] = of(begin + i * VL, VL);
    else UNROLL for (int i = 0; i < N; i++) v[i] = begin + i * VL < k ? of(begin + i * VL, k - begin - i * VL < VL ? k - begin - i * VL : VL) : vf{};
    UNROLL for (int i = 0; i < N; i++) most = max(most, abs(v[i]));
    const float m = largest(most), by = m > 0 ? LEVELS<GROUP> / m : 0.0f, scale = m / LEVELS<GROUP>;
    vi total{};
    UNROLL for (int i = 0; i < N; i++) {
      const vi c = rint(v[i] * by);
      total += c;
      const vb bytes = __builtin_convertvector(c, vb);
      std::memcpy(codes + i * VL, &bytes, VL);
    }
    const int32_t s = sum_int(total);
    q->scales[row * groups + g] = scale;
    q->sums[row * groups + g] = scale * static_cast<float>(s);
    q->begins[row * groups + g] = OFFSET<GROUP> * s;
  }
}

void quantise(const float* x, const float* up, int k, int act, const Quantised* q, int64_t row) {
  activation(act, [&](auto of) {
    auto groups = [&](auto value) {
      if (q->group == WIDE_GROUP) quantise_groups<WIDE_GROUP>(k, q, row, value);
      else quantise_groups<FINE_GROUP>(k, q, row, value);
    };
    if (up) groups([&](int i, int m) INLINE_LAMBDA { return of(load_some(x + i, m)) * load_some(up + i, m); });
    else groups([&](int i, int m) INLINE_LAMBDA { return of(load_some(x + i, m)); });
  });
}

// M rows times P panels of int8 weights.
template <int M, int P, int GROUP> INLINE void int8_tile(const uint8_t* w, const Quantised* q, int64_t row, vf (&acc)[M][P * VECTORS]) {
  const int groups = static_cast<int>(q->width / GROUP);
  const int8_t* x = q->codes + row * q->width;
  const int64_t next = q->width * PANEL;
  for (int g = 0; g < groups; g++) {
    vi part[M][P * VECTORS];
    UNROLL for (int i = 0; i < M; i++) {
      const vi begin = splat_int(q->begins[(row + i) * groups + g]);
      UNROLL for (int v = 0; v < P * VECTORS; v++) part[i][v] = begin;
      if (P > 1) prefetch(x + (M + i) * q->width + GROUP * g);  // the next tile's
    }
    for (int s = 0; s < GROUP / 4; s++, w += 64) {
      vi b[P * VECTORS];
      UNROLL for (int v = 0; v < P * VECTORS; v++) b[v] = load_int(w + v / VECTORS * next + v % VECTORS * 4 * VL);
      prefetch(w + AHEAD);
      if (P > 1) prefetch(w + next + AHEAD);
      UNROLL for (int i = 0; i < M; i++) {
        const vi a = four_codes(x + i * q->width + GROUP * g + 4 * s);
        UNROLL for (int v = 0; v < P * VECTORS; v++) part[i][v] = dot_int8<GROUP>(part[i][v], b[v], a);
      }
    }
    if (M > 4) __asm__ volatile("" : : "r"(acc) : "memory");  // sums wait in memory: registers are for `part`
    UNROLL for (int i = 0; i < M; i++) {
      const vf scale = splat(q->scales[(row + i) * groups + g]);
      UNROLL for (int v = 0; v < P * VECTORS; v++) acc[i][v] += scale * to_float(part[i][v]);
    }
    if (M > 4) __asm__ volatile("" : : "r"(acc) : "memory");  // and are not read back before they are needed
  }
}

// M rows times a panel of int4 weights; groups of 32 columns, each with its rows' scales and minima behind its codes.
template <int M> INLINE void int4_tile(const uint8_t* w, const Quantised* q, int64_t row, vf (&acc)[M][VECTORS]) {
  const int groups = static_cast<int>(q->width / 32);
  const int8_t* x = q->codes + row * q->width;
  for (int g = 0; g < groups; g++, w += 320) {
    vi part[M][VECTORS];
    UNROLL for (int i = 0; i < M; i++) UNROLL for (int v = 0; v < VECTORS; v++) part[i][v] = vi{};
    UNROLL for (int s = 0; s < 4; s++) {
      prefetch(w + AHEAD + 64 * s);
      UNROLL for (int v = 0; v < VECTORS; v++) {
        const vi bytes = load_int(w + 64 * s + 4 * VL * v), low = bytes & 0x0f0f0f0f, high = (bytes >> 4) & 0x0f0f0f0f;
        UNROLL for (int i = 0; i < M; i++) {
          const int8_t* a = x + i * q->width + 32 * g + 4 * s;
          part[i][v] = dot(dot(part[i][v], low, four_codes(a)), high, four_codes(a + 16));
        }
      }
    }
    prefetch(w + AHEAD + 256);
    const uint16_t* halves = reinterpret_cast<const uint16_t*>(w + 256);
    UNROLL for (int v = 0; v < VECTORS; v++) {
      const vf scale = load_half(halves + VL * v), minimum = load_half(halves + PANEL + VL * v);
      UNROLL for (int i = 0; i < M; i++) {
        acc[i][v] += (q->scales[(row + i) * groups + g] * scale) * to_float(part[i][v]);
        acc[i][v] += minimum * q->sums[(row + i) * groups + g];
      }
    }
  }
}

template <int M, int P, bool INT8>
INLINE void panels(const Matrix* m, const uint8_t* w, int p, const Quantised* q, int64_t row, float* y, int64_t ldy, int add) {
  vf acc[M][P * VECTORS] = {};
  if (P > 1) UNROLL for (int i = 0; i < M; i++) UNROLL for (int v = 0; v < P * VECTORS; v++) __builtin_prefetch(y + (row + i) * ldy + p * PANEL + v * VL, 1, 3);
  if constexpr (!INT8) int4_tile<M>(w, q, row, acc);
  else if (q->group == WIDE_GROUP) int8_tile<M, P, WIDE_GROUP>(w, q, row, acc);
  else int8_tile<M, P, FINE_GROUP>(w, q, row, acc);
  for (int i = 0; i < M; i++)
    for (int v = 0; v < P * VECTORS; v++) {
      const int j = p * PANEL + v * VL, have = m->n - j < VL ? m->n - j : VL;
      if (have <= 0) break;
      float* out = y + (row + i) * ldy + j;
      vf r = acc[i][v];
      if (INT8) r *= load(m->scale + j);
      if (m->bias) r += load_some(m->bias + j, have);
      if (add) r += load_some(out, have);
      store_some(out, r, have);
    }
}

template <bool INT8>
void quantised_linear(const Matrix* m, const Quantised* q, float* y, int64_t ldy, int64_t rows, int n0, int n1, int add) {
  constexpr int M = VL == 16 ? 8 : 4;
  constexpr bool PAIRS = INT8 && VL == 16;  // of panels: fewer loads for as many products
  const int64_t bytes = INT8 ? q->width * PANEL : q->width / 32 * 320;
  for (int p = n0 / PANEL; p * PANEL < n1; p++) {
    const uint8_t* w = static_cast<const uint8_t*>(m->weight) + p * bytes;
    int64_t row = 0;
    if constexpr (PAIRS)
      if (rows > 16 && (p + 1) * PANEL < n1) {  // of fewer, reading weights takes longest: one stream
        tiles(rows, [&](auto count, int64_t i) { panels<count, 2, INT8>(m, w, p, q, i, y, ldy, add); });
        p++;
        continue;
      }
    for (; row + M <= rows; row += M) panels<M, 1, INT8>(m, w, p, q, row, y, ldy, add);
    if (M > 4 && rows - row >= 4) panels<4, 1, INT8>(m, w, p, q, row, y, ldy, add), row += 4;
    if (rows - row >= 2) panels<2, 1, INT8>(m, w, p, q, row, y, ldy, add), row += 2;
    if (rows - row >= 1) panels<1, 1, INT8>(m, w, p, q, row, y, ldy, add);
  }
}

void linear(const Matrix* m, const float* x, int64_t ldx, const Quantised* q, float* y, int64_t ldy, int64_t rows, int n0, int n1, int act, int add) {
  const float* bias = m->bias ? m->bias + n0 : nullptr;
  const int64_t begin = static_cast<int64_t>(n0) * m->k;
  switch (m->kind) {
    case MATRIX_F32: plain_linear(static_cast<const float*>(m->weight) + begin, bias, m->k, x, ldx, y + n0, ldy, rows, n1 - n0, add); break;
    case MATRIX_F16: plain_linear(static_cast<const uint16_t*>(m->weight) + begin, bias, m->k, x, ldx, y + n0, ldy, rows, n1 - n0, add); break;
    case MATRIX_INT8: quantised_linear<true>(m, q, y, ldy, rows, n0, n1, add); break;
    default: quantised_linear<false>(m, q, y, ldy, rows, n0, n1, add);
  }
  if (act != ACT_NONE)
    for (int64_t i = 0; i < rows; i++) activate_row(y + i * ldy + n0, n1 - n0, act);
}

// ------------------------------------------------------------------------------------------------ norm, rope, attention

void norm(const float* x, float* y, int n, const float* weight, const float* bias, float epsilon, int kind, int add) {
  if (kind == NORM_NONE)
    return each(n, y, [&](int i, int m) {
      const vf v = load_some(x + i, m);
      return load_some(y + i, m) + (weight ? v * load_some(weight + i, m) : v);
    });
  const bool centred = kind == NORM_LAYER;
  auto total = [&](float shift, bool squared) {
    vf s{};
    int i = 0;
    for (; i + VL <= n; i += VL) {
      const vf v = load(x + i) - shift;
      s += squared ? v * v : v;
    }
    float t = sum(s);
    for (; i < n; i++) t += squared ? (x[i] - shift) * (x[i] - shift) : x[i] - shift;
    return t;
  };
  const float mean = centred ? total(0.0f, false) / n : 0.0f;
  const float scale = 1.0f / std::sqrt(total(mean, true) / n + epsilon);
  each(n, y, [&](int i, int m) {
    const vf v = (load_some(x + i, m) - mean) * scale * (weight ? load_some(weight + i, m) : splat(1.0f));
    const vf b = bias ? v + load_some(bias + i, m) : v;
    return add ? b + load_some(y + i, m) : b;
  });
}

void rotate(float* x, int heads, int head_dim, const float* cos, const float* sin, int width) {
  const int half = width / 2;
  for (int h = 0; h < heads; h++, x += head_dim)
    for (int i = 0; i < half; i += VL) {
      const int m = half - i < VL ? half - i : VL;
      const vf a = load_some(x + i, m), b = load_some(x + half + i, m);
      const vf first = a * load_some(cos + i, m) - b * load_some(sin + i, m);
      const vf second = b * load_some(cos + half + i, m) + a * load_some(sin + half + i, m);
      std::memcpy(x + i, &first, 4 * m);
      std::memcpy(x + half + i, &second, 4 * m);
    }
}

// Scores (M,keys) of M queries, one below the other, with the keys begin...end-1; M a multiple of nothing.
// As many keys as make whole panels, for many queries; returns how many that were.
int panel_scores(const float* q, int c, const float* keys, int64_t stride, int n, int count, float* s) {
  if (count < 4 || c > DEEP) return 0;
  float* panel = panel_memory();
  const int whole = n / WIDE * WIDE;
  for (int j = 0; j < whole; j += WIDE) {
    make_panel(keys + j * stride, stride, c, panel);
    tiles(count, [&](auto rows, int64_t i) { panel_tile<rows>(q + i * c, c, panel, c, nullptr, s + i * n + j, n, false); });
  }
  return whole;
}

template <int M> INLINE void scores(const float* q, int c, const float* keys, int64_t stride, int begin, int end, float* s, int64_t lds) {
  int j = begin;
  for (; j + 4 <= end; j += 4) {
    vf acc[M][4];
    const float* k = keys + j * stride;
    tile<M, 4>(q, c, k, stride, c, acc);
    UNROLL for (int i = 0; i < M; i++) {
      v4 r = sum4(acc[i][0], acc[i][1], acc[i][2], acc[i][3]);
      if (c % VL) r += v4{rest(q + i * c, k, c), rest(q + i * c, k + stride, c), rest(q + i * c, k + 2 * stride, c), rest(q + i * c, k + 3 * stride, c)};
      *reinterpret_cast<v4_any*>(s + i * lds + j - begin) = r;
    }
  }
  for (; j < end; j++)
    for (int i = 0; i < M; i++) {
      vf acc[1][1];
      tile<1, 1>(q + i * c, c, keys + j * stride, stride, c, acc);
      s[i * lds + j - begin] = sum(acc[0][0]) + rest(q + i * c, keys + j * stride, c);
    }
}

// Rows of M weights (M,keys) times values: columns c0...c0+N*VL-1 of the sums.
template <int M, int N> INLINE void mix(const float* p, int64_t ldp, const float* values, int64_t stride, int keys, float* const* out, int c0) {
  vf acc[M][N] = {};
  for (int j = 0; j < keys; j++) {
    vf v[N];
    UNROLL for (int n = 0; n < N; n++) v[n] = load(values + j * stride + c0 + n * VL);
    UNROLL for (int i = 0; i < M; i++) UNROLL for (int n = 0; n < N; n++) acc[i][n] += p[i * ldp + j] * v[n];
  }
  for (int i = 0; i < M; i++) for (int n = 0; n < N; n++) store(out[i] + c0 + n * VL, acc[i][n]);
}

template <int M> void mix_all(const float* p, int64_t ldp, const float* values, int64_t stride, int keys, float* const* out, int c) {
  int c0 = 0;
  for (; c0 + 4 * VL <= c; c0 += 4 * VL) mix<M, 4>(p, ldp, values, stride, keys, out, c0);
  for (; c0 + VL <= c; c0 += VL) mix<M, 1>(p, ldp, values, stride, keys, out, c0);
  for (; c0 < c; c0++)
    for (int i = 0; i < M; i++) {
      float s = 0;
      for (int j = 0; j < keys; j++) s += p[i * ldp + j] * values[j * stride + c0];
      out[i][c0] = s;
    }
}

// Softmax of the scores begin...end-1 of n; those outside get weight 0.
void softmax(float* s, int n, int begin, int end, float softcap) {
  if (begin >= end) {
    std::memset(s, 0, 4 * n);
    return;
  }
  if (softcap > 0) each(end - begin, s + begin, [&](int i, int m) { return tanh(load_some(s + begin + i, m) / softcap) * softcap; });
  vf high = splat(s[begin]);
  int k = begin;
  for (; k + VL <= end; k += VL) high = max(high, load(s + k));
  float most = largest(high);
  for (; k < end; k++) most = s[k] > most ? s[k] : most;
  each(end - begin, s + begin, [&](int i, int m) { return exp(load_some(s + begin + i, m) - most); });
  vf total{};
  int i = begin;
  for (; i + VL <= end; i += VL) total += load(s + i);
  float t = sum(total);
  for (; i < end; i++) t += s[i];
  const float scale = 1.0f / t;
  for (i = 0; i < begin; i++) s[i] = 0;
  each(end - begin, s + begin, [&](int j, int m) { return load_some(s + begin + j, m) * scale; });
  for (i = end; i < n; i++) s[i] = 0;
}

void attend(const Op* op, const Spans* spans, const float* queries, int64_t row_stride, const float* keys, const float* values,
            int64_t key_stride, int i0, int i1, float* out, int64_t out_stride, float* scratch) {
  constexpr int M = VL == 16 ? 6 : 3;
  const int c = op->width, group = op->heads / op->kv_heads, count = i1 - i0;
  auto first = [&](int i) { return spans->first[(i0 + i) / group]; };
  auto last = [&](int i) { return spans->last[(i0 + i) / group]; };
  int begin = INT32_MAX, end = 0;  // what any of the queries sees
  for (int i = 0; i < count; i++)
    if (first(i) < last(i)) begin = first(i) < begin ? first(i) : begin, end = last(i) > end ? last(i) : end;
  const int n = end > begin ? end - begin : 0;
  begin = n ? begin : 0;
  float *q = scratch, *s = scratch + QUERY_BLOCK * c;
  float* places[QUERY_BLOCK];
  for (int i = 0; i < count; i++) {
    const float* from = queries + (i0 + i) / group * row_stride + (i0 + i) % group * c;
    each(c, q + i * c, [&](int k, int m) { return load_some(from + k, m) * op->scale; });
    places[i] = out + (i0 + i) / group * out_stride + (i0 + i) % group * c;
  }
  const int done = panel_scores(q, c, keys + begin * key_stride, key_stride, n, count, s);
  int i = 0;
  for (; i + M <= count; i += M) scores<M>(q + i * c, c, keys, key_stride, begin + done, begin + n, s + static_cast<int64_t>(i) * n + done, n);
  for (; i < count; i++) scores<1>(q + i * c, c, keys, key_stride, begin + done, begin + n, s + static_cast<int64_t>(i) * n + done, n);
  for (i = 0; i < count; i++) softmax(s + static_cast<int64_t>(i) * n, n, first(i) - begin, last(i) - begin, op->softcap);
  const float* v = values + begin * key_stride;
  for (i = 0; VL == 16 && i + 6 <= count; i += 6) mix_all<6>(s + static_cast<int64_t>(i) * n, n, v, key_stride, n, places + i, c);
  for (; i + 3 <= count; i += 3) mix_all<3>(s + static_cast<int64_t>(i) * n, n, v, key_stride, n, places + i, c);
  for (; i < count; i++) mix_all<1>(s + static_cast<int64_t>(i) * n, n, v, key_stride, n, places + i, c);
}

#include "training.inl"

constexpr Kernels make(const char* name) {
  return Kernels{name, linear, product, quantise, norm, rotate, gate, attend, squares, adamw, dropout};
}

}  // namespace
