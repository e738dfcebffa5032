%%% Random UUIDs (RFC 9562, version 4).

-module(mod_lhc_uuid).

-export([new/0, text/1]).

-type uuid() :: <<_:128>>.

-export_type([uuid/0]).

-spec new() -> uuid().
new() ->
    <<A:48, _:4, B:12, _:2, C:62>> = crypto:strong_rand_bytes(16),
    <<A:48, 4:4, B:12, 2:2, C:62>>.

-spec text(uuid()) -> binary().
text(<<A:32, B:16, C:16, D:16, E:48>>) ->
    iolist_to_binary(io_lib:format("~8.16.0b-~4.16.0b-~4.16.0b-~4.16.0b-~12.16.0b", [A, B, C, D, E])).
