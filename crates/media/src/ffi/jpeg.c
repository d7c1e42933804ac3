/* One JPEG encoder over libjpeg's own interface: TurboJPEG's, which the rest of the world uses,
 * has no way to set quantization tables. */

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>
#include "jpeg_quantizer.h"

struct framelift_jpeg {
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr out;
    jmp_buf escape;
    char message[JMSG_LENGTH_MAX];
    uint8_t *bytes;
    size_t room;
    uint8_t *padded;
    size_t padded_room;
};

static void fail(j_common_ptr info)
{
    struct framelift_jpeg *self = info->client_data;
    info->err->format_message(info, self->message);
    longjmp(self->escape, 1);
}

static void say_nothing(j_common_ptr info)
{
    (void)info;
}

static void begin(j_compress_ptr info)
{
    struct framelift_jpeg *self = info->client_data;
    info->dest->next_output_byte = self->bytes;
    info->dest->free_in_buffer = self->room;
}

static boolean grow(j_compress_ptr info)
{
    struct framelift_jpeg *self = info->client_data;
    size_t room = self->room ? self->room * 2 : 1 << 16;
    uint8_t *bytes = realloc(self->bytes, room);
    if (!bytes)
        ERREXIT1(info, JERR_OUT_OF_MEMORY, 0);
    info->dest->next_output_byte = bytes + self->room;
    info->dest->free_in_buffer = room - self->room;
    self->bytes = bytes;
    self->room = room;
    return TRUE;
}

static void end(j_compress_ptr info)
{
    (void)info;
}

/* Rounds AC levels up from 5/8 instead of 1/2: what is nearly nothing becomes nothing. For the
 * same bytes this gives about 0.5 dB more. The library has no setting for it, but a table: for
 * each coefficient a reciprocal and what is added before, half the divisor (or 1 more). It is
 * changed only where it is what it should be. */
static void widen_dead_zone(j_compress_ptr info, const unsigned table[64])
{
    struct quantizer *quantizer = (struct quantizer *)(void *)info->fdct;
    for (int t = 0; t < 2; t++) {
        int16_t *added = quantizer->divisors[t] + DCTSIZE2;
        for (int i = 1; i < DCTSIZE2; i++) {
            /* Coefficients come out of the transform eight times as large. */
            int divisor = (int)table[i] * 8, more = added[i] - divisor / 2;
            if (table[i] > 1 && (more == 0 || more == 1))
                added[i] = (int16_t)(divisor * 3 / 8 + more);
        }
    }
}

void framelift_jpeg_free(struct framelift_jpeg *self)
{
    if (!self)
        return;
    jpeg_destroy_compress(&self->info);
    free(self->bytes);
    free(self->padded);
    free(self);
}

static int start(struct framelift_jpeg *self)
{
    self->info.err = jpeg_std_error(&self->errors);
    self->errors.error_exit = fail;
    self->errors.output_message = say_nothing;
    self->info.client_data = self;
    if (setjmp(self->escape))
        return 0;
    jpeg_create_compress(&self->info);
    self->out.init_destination = begin;
    self->out.empty_output_buffer = grow;
    self->out.term_destination = end;
    self->info.dest = &self->out;
    return 1;
}

struct framelift_jpeg *framelift_jpeg_new(void)
{
    struct framelift_jpeg *self = calloc(1, sizeof *self);
    if (self && !start(self)) {
        framelift_jpeg_free(self);
        return NULL;
    }
    return self;
}

const char *framelift_jpeg_message(const struct framelift_jpeg *self)
{
    return self->message;
}

/* What is encoded. */
struct image {
    const uint8_t *const *planes;
    const size_t *strides;
    unsigned width, height;
};

/* What holds for the image and for the part of it that is looked at before: baseline, 4:2:0,
 * the accurate integer DCT. */
static void set(struct framelift_jpeg *self, unsigned width, const unsigned table[64])
{
    j_compress_ptr info = &self->info;
    info->image_width = width;
    info->input_components = 3;
    info->in_color_space = JCS_YCbCr;
    jpeg_set_defaults(info);
    jpeg_add_quant_table(info, 0, table, 100, TRUE);
    jpeg_add_quant_table(info, 1, table, 100, TRUE);
    info->raw_data_in = TRUE;
}

/* Begins so many rows, with Huffman tables made for them or with those that are there. */
static void start_rows(struct framelift_jpeg *self, unsigned height, const unsigned table[64],
                       boolean optimize)
{
    self->info.image_height = height;
    self->info.optimize_coding = optimize;
    jpeg_start_compress(&self->info, TRUE);
    widen_dead_zone(&self->info, table);
}

/* Writes the 16 rows of luma from `line` on and the 8 of each chroma plane. The library reads
 * whole blocks: rows that end within one are copied and their last sample repeated; below the
 * last row it is repeated. */
static void write_blocks(struct framelift_jpeg *self, const struct image *image, unsigned line)
{
    size_t across = ((size_t)image->width + 15) / 16 * 16;
    uint8_t *copy = self->padded;
    JSAMPROW rows[3][16];
    JSAMPARRAY components[3] = {rows[0], rows[1], rows[2]};
    for (int c = 0; c < 3; c++) {
        unsigned half = c > 0;
        size_t columns = ((size_t)image->width + half) >> half, wide = across >> half;
        unsigned lines = (image->height + half) >> half;
        for (unsigned i = 0; i < 16u >> half; i++) {
            unsigned at = (line >> half) + i;
            const uint8_t *row = image->planes[c] + (at < lines ? at : lines - 1) * image->strides[c];
            if (columns < wide) {
                memcpy(copy, row, columns);
                memset(copy + columns, row[columns - 1], wide - columns);
                row = copy;
                copy += wide;
            }
            rows[c][i] = (JSAMPROW)row;
        }
    }
    jpeg_write_raw_data(&self->info, components, 16);
}

/* The library's own, from symbols' frequencies (the 257th is taken by the algorithm). */
void jpeg_gen_optimal_table(j_compress_ptr info, JHUFF_TBL *table, long frequencies[257]);

/* Gives every symbol a code that may occur, and keeps about the lengths of those that have one. */
static void complete(j_compress_ptr info, JHUFF_TBL *table, int is_ac)
{
    long frequencies[257] = {0};
    if (is_ac) {
        frequencies[0] = frequencies[0xf0] = 1;
        for (int run = 0; run < 16; run++)
            for (int size = 1; size <= 10; size++)
                frequencies[run << 4 | size] = 1;
    } else {
        for (int size = 0; size <= 11; size++)
            frequencies[size] = 1;
    }
    for (int length = 1, symbol = 0; length <= 16; length++)
        for (int i = 0; i < table->bits[length]; i++)
            frequencies[table->huffval[symbol++]] = 1L << (20 - length);
    jpeg_gen_optimal_table(info, table, frequencies);
}

/* Rows of blocks of which the statistics of an image are taken. */
enum { SAMPLES = 3 };

/* Huffman tables that suit the image, from a part of it: nearly as good as from all of it, which
 * takes twice the time. */
static void suit(struct framelift_jpeg *self, const struct image *image, const unsigned table[64])
{
    j_compress_ptr info = &self->info;
    start_rows(self, SAMPLES * 16, table, TRUE);
    for (unsigned i = 0; i < SAMPLES; i++)
        write_blocks(self, image, image->height / 16 * (2 * i + 1) / (2 * SAMPLES) * 16);
    jpeg_finish_compress(info);
    for (int t = 0; t < 2; t++) {
        complete(info, info->dc_huff_tbl_ptrs[t], 0);
        complete(info, info->ac_huff_tbl_ptrs[t], 1);
    }
}

/* Encodes 4:2:0 planes of full range. `table` has the quantizers of all components, row by row.
 * Gives the bytes, which stay until the next call, or NULL. */
const uint8_t *framelift_jpeg_encode(struct framelift_jpeg *self, const uint8_t *const planes[3],
                                     const size_t strides[3], unsigned width, unsigned height,
                                     const unsigned table[64], size_t *length)
{
    j_compress_ptr info = &self->info;
    const struct image image = {planes, strides, width, height};
    if (setjmp(self->escape)) {
        jpeg_abort_compress(info);
        return NULL;
    }
    if (!self->room)
        grow(info);
    size_t need = ((size_t)width + 15) / 16 * 16 * 24;
    if (self->padded_room < need) {
        uint8_t *padded = realloc(self->padded, need);
        if (!padded)
            ERREXIT1(info, JERR_OUT_OF_MEMORY, 0);
        self->padded = padded;
        self->padded_room = need;
    }
    set(self, width, table);
    boolean small = height / 16 < 4 * SAMPLES;
    if (!small)
        suit(self, &image, table);
    start_rows(self, height, table, small);
    while (info->next_scanline < height)
        write_blocks(self, &image, info->next_scanline);
    jpeg_finish_compress(info);
    *length = self->room - info->dest->free_in_buffer;
    return self->bytes;
}
