/* Compiled and thrown away: fails where libjpeg-turbo's private struct is not what `jpeg.c` takes it
 * for. The library's own source file declares it. */

#include <stddef.h>

#include "jcdctmgr.c"

#include "jpeg_quantizer.h"

_Static_assert(offsetof(my_fdct_controller, divisors) == offsetof(struct quantizer, divisors),
               "the divisors of libjpeg-turbo's quantizer have moved: see widen_dead_zone in jpeg.c");
_Static_assert(sizeof(DCTELEM) == sizeof(int16_t),
               "the divisors of libjpeg-turbo's quantizer have another size: see widen_dead_zone in jpeg.c");
