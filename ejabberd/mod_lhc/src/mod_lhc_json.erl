%%% A JSON encoder (RFC 8259) for events: text, integers, true and false, lists and objects.
%%%
%%% No encoder exists on every release of ejabberd: jiffy comes with 23.01 and 24.12, misc:json_encode/1 with 24.12 and
%%% 26.07.

-module(mod_lhc_json).

-export([members/1, object/1]).

-type value() :: binary() | integer() | atom() | [value()] | {[member()]}.
-type member() :: {atom() | binary(), value()}.

-export_type([value/0, member/0]).

%% An object with these members in this order. Text must be UTF-8; everything from the XML parser is.
-spec object([member()]) -> iodata().
object(Members) ->
    [${, members(Members), $}].

%% The members without the braces, so that a caller can add further members.
-spec members([member()]) -> iodata().
members(Members) ->
    lists:join($,, [[string(name(Name)), $:, value(Value)] || {Name, Value} <- Members]).

value(Value) when is_binary(Value) -> string(Value);
value(Value) when is_integer(Value) -> integer_to_binary(Value);
value(Value) when is_boolean(Value) -> atom_to_binary(Value, utf8);
value(Value) when is_atom(Value) -> string(atom_to_binary(Value, utf8));
value({Members}) -> object(Members);
value(Values) when is_list(Values) -> [$[, lists:join($,, [value(Value) || Value <- Values]), $]].

name(Name) when is_atom(Name) -> atom_to_binary(Name, utf8);
name(Name) -> Name.

string(Text) ->
    [$", << <<(escape(Char))/binary>> || <<Char>> <= Text >>, $"].

%% Byte by byte: only ASCII characters need an escape, and no byte of a longer UTF-8 sequence is ASCII.
escape($") -> <<"\\\"">>;
escape($\\) -> <<"\\\\">>;
escape($\n) -> <<"\\n">>;
escape($\r) -> <<"\\r">>;
escape($\t) -> <<"\\t">>;
escape(Char) when Char < 16#20; Char =:= 16#7f -> list_to_binary(io_lib:format("\\u~4.16.0b", [Char]));
escape(Char) -> <<Char>>.
