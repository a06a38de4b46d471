#include "feed.h"

#include <string.h>

static uint32_t read_u32(const unsigned char* at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int read_body(const unsigned char* body, size_t size, feed_on_trade on_trade,
                     void* context) {
  struct feed_trade trade;
  size_t end = FEED_SYMBOL_BYTES;
  if (body[0] != 'T') return 0;
  if (size != FEED_TRADE_BYTES) return -1;
  while (end > 0 && body[end] == ' ')
    --end;
  memcpy(trade.symbol, body + 1, end);
  trade.symbol[end] = '\0';
  trade.price = read_u32(body + 9);
  trade.size = read_u32(body + 13);
  on_trade(&trade, context);
  return 0;
}

int feed_parse(struct feed* feed, const void* bytes, size_t size, feed_on_trade on_trade,
               void* context) {
  const unsigned char* next = bytes;
  while (size > 0) {
    size_t wanted = 2;
    size_t taken;
    if (feed->held_bytes >= 2) {
      const size_t body_bytes = (size_t)feed->held[0] << 8 | feed->held[1];
      if (body_bytes == 0 || body_bytes > FEED_MAX_BODY_BYTES) return -1;
      wanted += body_bytes;
    }
    taken = wanted - feed->held_bytes < size ? wanted - feed->held_bytes : size;
    memcpy(feed->held + feed->held_bytes, next, taken);
    feed->held_bytes += taken;
    next += taken;
    size -= taken;
    if (wanted > 2 && feed->held_bytes == wanted) {
      feed->held_bytes = 0;
      if (read_body(feed->held + 2, wanted - 2, on_trade, context) != 0) return -1;
    }
  }
  return 0;
}
