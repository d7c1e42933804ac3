/* The head of libjpeg-turbo's own `my_fdct_controller` (jcdctmgr.c); `jpeg_layout.c` compares. */

#include <stdint.h>

struct quantizer {
    void *functions[6];
    int16_t *divisors[NUM_QUANT_TBLS];
};
