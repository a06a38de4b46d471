#include "conformance/reactor_conformance.hpp"
