#include "conformance/stream_conformance.hpp"
