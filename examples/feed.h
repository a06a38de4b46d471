/* A market feed in C, which knows nothing of connections: it is handed bytes and gives back
 * messages.
 *
 * A message is two bytes of length, then as many bytes of body. A body is a kind ('T' for a trade),
 * eight bytes of symbol filled up with blanks, a price in ten-thousandths and a size, each four
 * bytes. All numbers are big-endian. Other kinds are skipped.
 */
#ifndef FEED_H
#define FEED_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FEED_SYMBOL_BYTES = 8, FEED_TRADE_BYTES = 17, FEED_MAX_BODY_BYTES = 64 };

struct feed_trade {
  char symbol[FEED_SYMBOL_BYTES + 1];
  uint32_t price;
  uint32_t size;
};

/* What is kept of a message whose end has not come yet; all zero at first. */
struct feed {
  size_t held_bytes;
  unsigned char held[2 + FEED_MAX_BODY_BYTES];
};

typedef void (*feed_on_trade)(const struct feed_trade* trade, void* context);

/* Takes the next bytes of the stream, cut anywhere. Zero when they make sense; -1 when they do not,
 * after which the stream is lost. */
int feed_parse(struct feed* feed, const void* bytes, size_t size, feed_on_trade on_trade,
               void* context);

#ifdef __cplusplus
}
#endif

#endif
