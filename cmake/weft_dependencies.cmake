# Finds what weft stands on. Third-party headers are always SYSTEM, so their warnings are not ours.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

set(WEFT_BACKENDS "")
# What a program that links the Asio sources links too.
set(WEFT_ASIO_LIBRARIES Threads::Threads)
if(WIN32)
  list(APPEND WEFT_BACKENDS iocp select)
  list(APPEND WEFT_ASIO_LIBRARIES ws2_32 mswsock)
else()
  list(APPEND WEFT_BACKENDS epoll select)
endif()

# What only the Asio sources may see; nothing of it reaches a user of weft.
add_library(weft_asio INTERFACE)
target_compile_definitions(weft_asio INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ERROR_CODE_HEADER_ONLY)
if(WEFT_SANITIZE MATCHES thread)
  # GCC's thread sanitizer does not understand fences; it watches the locks beside them.
  target_compile_definitions(weft_asio INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()

if(WIN32 AND CMAKE_CROSSCOMPILING)
  include(windows_dependencies)
  return()
endif()

find_package(Boost 1.81 REQUIRED)
find_package(spdlog REQUIRED)
target_link_libraries(weft_asio INTERFACE Boost::headers)

if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND WEFT_IO_URING)
  find_library(WEFT_URING_LIBRARY uring)
  find_path(WEFT_URING_INCLUDE liburing.h)
  mark_as_advanced(WEFT_URING_LIBRARY WEFT_URING_INCLUDE)
  if(WEFT_URING_LIBRARY AND WEFT_URING_INCLUDE)
    list(APPEND WEFT_BACKENDS io_uring)
    list(APPEND WEFT_ASIO_LIBRARIES uring)
  elseif(NOT WEFT_IO_URING STREQUAL "AUTO")
    message(FATAL_ERROR "WEFT_IO_URING is ON, but liburing was not found: install liburing-dev")
  endif()
endif()

if(WEFT_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(WEFT_BUILD_EXAMPLES)
  find_package(CLI11 REQUIRED)
endif()
if(WEFT_BUILD_BENCH)
  find_package(benchmark REQUIRED)
endif()
