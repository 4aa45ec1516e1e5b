/* GELU and its first derivative as a program in C: float32 in on standard input, float32 out on standard output.
 *
 *     cc -O2 -o gelu gelu.c -lm
 *     gradproof vectors gelu --format float32 -o in.bin
 *     ./gelu 0 < in.bin > out.bin
 *     gradproof judge gelu in.bin out.bin --format float32
 *
 * or, called by gradproof for every input that it wants to try:
 *
 *     gradproof check --exec './gelu {order}' --function gelu --format float32 --order 0 --order 1
 *
 * x/2 (1 + erf(x / sqrt 2)) is the textbook's formula: its sum is 0 long before GELU is. Compiled with -DTAIL it is
 * written with erfc, which keeps the tail.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static float value(float x)
{
    if (isinf(x))
        return x < 0 ? -0.0f : x;
#ifdef TAIL
    return (float)(0.5 * (double)x * erfc(-(double)x * M_SQRT1_2));
#else
    return 0.5f * x * (1.0f + erff(x * (float)M_SQRT1_2));
#endif
}

static float slope(float x)
{
    double d = x;
    if (isinf(x))
        return x < 0 ? 0.0f : 1.0f;
    return (float)(0.5 * erfc(-d * M_SQRT1_2) + d * exp(-0.5 * d * d) / sqrt(2.0 * M_PI));
}

int main(int argc, char **argv)
{
    int order = argc > 1 ? atoi(argv[1]) : 0;
    float x, y;
    while (fread(&x, sizeof x, 1, stdin) == 1) {
        y = order ? slope(x) : value(x);
        if (fwrite(&y, sizeof y, 1, stdout) != 1)
            return 1;
    }
    return 0;
}
