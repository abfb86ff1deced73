// FFmpeg's h264_nvenc through libavcodec: `ffmpeg host` or `ffmpeg cuda`. Orders and answers are those of `client`,
// with -1 for the allocations, which are not counted here.

#include <dlfcn.h>
#include <libavcodec/avcodec.h>
#include <libavutil/hwcontext.h>
#include <libavutil/opt.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WIDTH = 1920, HEIGHT = 1080, PICTURES = 4, BITS_PER_SECOND = 6000000 };

static int64_t nanos(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int fail(const char *what, int error) {
    fprintf(stderr, "%s: %s\n", what, error ? av_err2str(error) : "not there");
    return 1;
}

// Frames of a pool in device memory; what is in them does not matter.
static int make_pool(AVBufferRef **pool) {
    AVBufferRef *device = NULL;
    // The primary context, as everybody else here.
    AVDictionary *options = NULL;
    av_dict_set(&options, "primary_ctx", "1", 0);
    int error = av_hwdevice_ctx_create(&device, AV_HWDEVICE_TYPE_CUDA, NULL, options, 0);
    av_dict_free(&options);
    if (error < 0) return error;
    *pool = av_hwframe_ctx_alloc(device);
    av_buffer_unref(&device);
    if (!*pool) return AVERROR(ENOMEM);
    AVHWFramesContext *frames = (AVHWFramesContext *)(*pool)->data;
    frames->format = AV_PIX_FMT_CUDA;
    frames->sw_format = AV_PIX_FMT_NV12;
    frames->width = WIDTH;
    frames->height = HEIGHT;
    return av_hwframe_ctx_init(*pool);
}

static int make_frame(AVFrame **frame, AVBufferRef *pool, int number) {
    *frame = av_frame_alloc();
    if (!*frame) return AVERROR(ENOMEM);
    if (pool) return av_hwframe_get_buffer(pool, *frame, 0);
    (*frame)->format = AV_PIX_FMT_NV12;
    (*frame)->width = WIDTH;
    (*frame)->height = HEIGHT;
    // Rows right behind each other, as the others have them.
    int error = av_frame_get_buffer(*frame, 1);
    if (error < 0) return error;
    memset((*frame)->data[0], 60 + number, (size_t)(*frame)->linesize[0] * HEIGHT);
    memset((*frame)->data[1], 60 + number, (size_t)(*frame)->linesize[1] * HEIGHT / 2);
    return 0;
}

static int open_encoder(AVCodecContext **encoder, AVBufferRef *pool) {
    const AVCodec *codec = avcodec_find_encoder_by_name("h264_nvenc");
    if (!codec) return AVERROR_ENCODER_NOT_FOUND;
    AVCodecContext *made = *encoder = avcodec_alloc_context3(codec);
    if (!made) return AVERROR(ENOMEM);
    made->width = WIDTH;
    made->height = HEIGHT;
    made->time_base = (AVRational){1, 60};
    made->framerate = (AVRational){60, 1};
    made->pix_fmt = pool ? AV_PIX_FMT_CUDA : AV_PIX_FMT_NV12;
    made->bit_rate = BITS_PER_SECOND;
    made->max_b_frames = 0;
    if (pool && !(made->hw_frames_ctx = av_buffer_ref(pool))) return AVERROR(ENOMEM);
    const char *options[][2] = {{"preset", "p1"}, {"tune", "ull"}, {"rc", "cbr"}, {"zerolatency", "1"}, {"delay", "0"}};
    for (size_t at = 0; at < sizeof options / sizeof *options; at++) {
        int error = av_opt_set(made->priv_data, options[at][0], options[at][1], 0);
        if (error < 0) return error;
    }
    return avcodec_open2(made, codec, NULL);
}

int main(int count, char **arguments) {
    int on_device = count > 1 && !strcmp(arguments[1], "cuda");
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    uint64_t (*inside)(void) = driver ? (uint64_t (*)(void))dlsym(driver, "d264_double_nanos_inside") : NULL;
    if (!inside) return fail("the driver double", 0);
    AVBufferRef *pool = NULL;
    AVCodecContext *encoder = NULL;
    AVFrame *frames[PICTURES];
    AVPacket *packet = av_packet_alloc();
    int error = on_device ? make_pool(&pool) : 0;
    if (error < 0 || !packet) return fail("frames on the GPU", error);
    for (int at = 0; at < PICTURES; at++)
        if ((error = make_frame(&frames[at], pool, at)) < 0) return fail("a frame", error);
    if ((error = open_encoder(&encoder, pool)) < 0) return fail("h264_nvenc", error);
    printf("ready\n");
    fflush(stdout);
    static int64_t took[1 << 20];
    static uint64_t in_driver[1 << 20];
    long number = 0, wanted, hz;
    while (scanf("%ld %ld", &wanted, &hz) == 2 && wanted <= 1 << 20) {
        int64_t due = nanos();
        for (long at = 0; at < wanted; at++, number++) {
            if (hz > 0) {
                due += 1000000000 / hz;
                struct timespec until = {due / 1000000000, due % 1000000000};
                clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
            }
            AVFrame *frame = frames[number % PICTURES];
            frame->pts = number;
            int64_t start = nanos();
            uint64_t before = inside();
            if ((error = avcodec_send_frame(encoder, frame)) < 0) return fail("avcodec_send_frame", error);
            if ((error = avcodec_receive_packet(encoder, packet)) < 0) return fail("avcodec_receive_packet", error);
            took[at] = nanos() - start;
            in_driver[at] = inside() - before;
            av_packet_unref(packet);
        }
        printf("-1");
        for (long at = 0; at < wanted; at++)
            printf(" %lld:%llu", (long long)took[at], (unsigned long long)in_driver[at]);
        printf("\n");
        fflush(stdout);
    }
    avcodec_free_context(&encoder);
    for (int at = 0; at < PICTURES; at++) av_frame_free(&frames[at]);
    av_buffer_unref(&pool);
    av_packet_free(&packet);
    return 0;
}
