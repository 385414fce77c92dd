// Vectors of the widest kind that a file is compiled for, by the compiler's vector extension, and the few operations
// that it lacks. Everything is in an anonymous namespace: each kernels_*.cpp has its own, for its own processors.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <cmath>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int VL = 16;
#elif defined(__AVX2__)
constexpr int VL = 8;
#else
constexpr int VL = 4;
#endif

typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef int8_t vb __attribute__((vector_size(VL)));
typedef float vf_any __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef int32_t vi_any __attribute__((vector_size(VL * 4), aligned(1), may_alias));

#define INLINE inline __attribute__((always_inline))
#define INLINE_LAMBDA __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

INLINE vf load(const float* p) { return *reinterpret_cast<const vf_any*>(p); }
INLINE vi load_int(const void* p) { return *reinterpret_cast<const vi_any*>(p); }
INLINE void store(float* p, vf v) { *reinterpret_cast<vf_any*>(p) = v; }
INLINE vf splat(float x) { return x - vf{}; }
INLINE vi splat_int(int32_t x) { return x - vi{}; }
INLINE vf to_float(vi v) { return __builtin_convertvector(v, vf); }
#if defined(__AVX512F__)
INLINE vf max(vf a, vf b) { return reinterpret_cast<vf>(_mm512_max_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b))); }
INLINE vf min(vf a, vf b) { return reinterpret_cast<vf>(_mm512_min_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b))); }
#elif defined(__AVX2__)
INLINE vf max(vf a, vf b) { return reinterpret_cast<vf>(_mm256_max_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b))); }
INLINE vf min(vf a, vf b) { return reinterpret_cast<vf>(_mm256_min_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b))); }
#else
INLINE vf max(vf a, vf b) { return a > b ? a : b; }
INLINE vf min(vf a, vf b) { return a < b ? a : b; }
#endif
INLINE vf abs(vf a) { return reinterpret_cast<vf>(reinterpret_cast<vi>(a) & 0x7fffffff); }
INLINE void prefetch(const void* p) { __builtin_prefetch(p, 0, 3); }

INLINE vi rint(vf v) {
#if defined(__AVX512F__)
  return reinterpret_cast<vi>(_mm512_cvtps_epi32(reinterpret_cast<__m512>(v)));
#elif defined(__AVX2__)
  return reinterpret_cast<vi>(_mm256_cvtps_epi32(reinterpret_cast<__m256>(v)));
#elif defined(__SSE2__)
  return reinterpret_cast<vi>(_mm_cvtps_epi32(reinterpret_cast<__m128>(v)));
#else
  vi r;
  for (int i = 0; i < VL; i++) r[i] = static_cast<int32_t>(std::nearbyint(v[i]));
  return r;
#endif
}

// f16 -> f32
INLINE vf load_half(const uint16_t* p) {
#if defined(__AVX512F__)
  return reinterpret_cast<vf>(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
#elif defined(__AVX2__)
  return reinterpret_cast<vf>(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#else
  vf r;
  for (int i = 0; i < VL; i++) {  // by the bits: not every compiler has a half type
    const uint32_t h = p[i], sign = (h & 0x8000u) << 16, exponent = (h >> 10) & 31, fraction = h & 1023;
    uint32_t bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
    float f;
    std::memcpy(&f, &bits, 4);
    if (exponent == 0) f = (sign ? -1.0f : 1.0f) * static_cast<float>(fraction) * 0x1p-24f;
    r[i] = f;
  }
  return r;
#endif
}

INLINE float sum(vf v) {
  float s[VL];
  store(s, v);
  for (int w = VL / 2; w; w /= 2)
    for (int i = 0; i < w; i++) s[i] += s[i + w];
  return s[0];
}

INLINE float largest(vf v) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps(reinterpret_cast<__m512>(v));
#else
  float s[VL];
  store(s, v);
  for (int w = VL / 2; w; w /= 2)
    for (int i = 0; i < w; i++) s[i] = s[i] > s[i + w] ? s[i] : s[i + w];
  return s[0];
#endif
}

INLINE int32_t sum_int(vi v) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_epi32(reinterpret_cast<__m512i>(v));
#else
  int32_t s[VL];
  std::memcpy(s, &v, sizeof s);
  for (int w = VL / 2; w; w /= 2)
    for (int i = 0; i < w; i++) s[i] += s[i + w];
  return s[0];
#endif
}

typedef float v4 __attribute__((vector_size(16)));
typedef float v4_any __attribute__((vector_size(16), aligned(4), may_alias));

// The four lanes-sums of four vectors, in the order in which `sum` adds: halves first.
INLINE v4 sum4(vf a, vf b, vf c, vf d) {
#if defined(__AVX2__)
  auto quarter = [](vf v) {
#if defined(__AVX512F__)
    const __m512 z = reinterpret_cast<__m512>(v);
    const __m256 y = _mm256_add_ps(_mm512_castps512_ps256(z), _mm512_extractf32x8_ps(z, 1));
#else
    const __m256 y = reinterpret_cast<__m256>(v);
#endif
    return _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
  };
  const __m128 x = quarter(a), y = quarter(b), z = quarter(c), w = quarter(d);  // lanes 0+2, 1+3, then their sum
  const __m128 xy = _mm_add_ps(_mm_movelh_ps(x, y), _mm_movehl_ps(y, x));       // x02 x13 y02 y13
  const __m128 zw = _mm_add_ps(_mm_movelh_ps(z, w), _mm_movehl_ps(w, z));
  return reinterpret_cast<v4>(_mm_add_ps(_mm_shuffle_ps(xy, zw, 0x88), _mm_shuffle_ps(xy, zw, 0xdd)));
#else
  return v4{sum(a), sum(b), sum(c), sum(d)};
#endif
}

// exp by 2^n * polynomial (Cephes' constants), to 1 unit in the last place or so; 0 below -87, large above 88.
INLINE vf exp(vf x) {
  x = min(max(x, splat(-87.3f)), splat(88.7f));
  const vi n = rint(x * 1.44269504f);
  const vf f = to_float(n), r = (x - f * 0.693359375f) + f * 2.12194440e-4f;
  vf p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * reinterpret_cast<vf>((n + 127) << 23);
}

INLINE vf sigmoid(vf x) { return 1.0f / (1.0f + exp(-x)); }

// Near zero 1 - 2/(e^2x + 1) would lose its digits: there the odd polynomial of Cephes.
INLINE vf tanh(vf x) {
  const vf far = 1.0f - 2.0f / (exp(2.0f * x) + 1.0f), z = x * x;
  vf p = splat(-5.70498872745e-3f);
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  return abs(x) < 0.625f ? p * z * x + x : far;
}

// erf to a unit in the last place, by two minimax polynomials (coefficients published by N. Juffa): near zero
// x + x * p(x^2), else 1 - exp(-q(|x|)).
INLINE vf erf(vf x) {
  const vf t = abs(x), z = x * x;
  vf p = splat(-5.96761703e-4f);
  p = p * z + 4.99119423e-3f;
  p = p * z - 2.67681349e-2f;
  p = p * z + 1.12819925e-1f;
  p = p * z - 3.76125336e-1f;
  p = p * z + 1.28379166e-1f;
  const vf near = p * x + x;
  vf q = (-1.72853470e-5f * t + 3.83197126e-4f) * z + (-3.88396438e-3f * t + 2.42546219e-2f);
  q = q * t - 1.06777877e-1f;
  q = q * t - 6.34846687e-1f;
  q = q * t - 1.28717512e-1f;
  const vf far = 1.0f - exp(q * t - t);
  return t > 0.921875f ? (x < 0.0f ? -far : far) : near;
}

}  // namespace
