#include "readme_pubsub.hpp"
int main() {
  std::vector<Subscriber*> everyone;
  auto reactor = weft::make_reactor();
  reactor->listen_tcp(7778, weft::factory_for<Subscriber>(std::ref(everyone)));
  reactor->run();
}
