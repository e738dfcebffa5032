%%% What the module logs of exceptions: kinds and places. Arguments, reasons, states and mailboxes can contain operators'
%%% messages, so they never get into a log.

-module(mod_lhc_log).

-export([crash/4, hook/3, guarded/3, status/0, status/1]).

-include_lib("kernel/include/logger.hrl").

-define(PLACES, 5).

-spec crash(atom(), atom(), term(), [term()]) -> ok.
crash(Where, Class, Reason, Stack) ->
    Places = [{Module, Function, proplists:get_value(line, Info)} || {Module, Function, _, Info} <- Stack],
    ?LOG_ERROR("mod_lhc: ~p in ~p: ~p at ~p", [Class, Where, kind(Reason), lists:sublist(Places, ?PLACES)]),
    ok.

kind(Reason) when is_atom(Reason) -> Reason;
kind(Reason) when is_tuple(Reason), tuple_size(Reason) > 0, is_atom(element(1, Reason)) -> element(1, Reason);
kind(_) -> unknown.

%% Runs a hook. ejabberd would swallow an exception.
-spec hook(atom(), Default, fun(() -> Result)) -> Default | Result.
hook(Hook, Default, Fun) ->
    try Fun()
    catch Class:Reason:Stack ->
            crash(Hook, Class, Reason, Stack),
            Default
    end.

%% Runs a callback of a gen_server. After an exception the process ends with a reason that OTP makes no report of, because
%% a report of OTP has the process's mailbox.
-spec guarded(atom(), State, fun(() -> Result)) -> Result | {stop, {shutdown, crashed}, State}.
guarded(Module, State, Callback) ->
    try Callback()
    catch Class:Reason:Stack ->
            crash(Module, Class, Reason, Stack),
            {stop, {shutdown, crashed}, State}
    end.

%% The result of format_status/1, which OTP 25 and later call.
-spec status(#{atom() => term()}) -> #{atom() => term()}.
status(Status) ->
    maps:map(fun(reason, Reason) -> kind(Reason);
                (log, _) -> [];
                (_, _) -> hidden
             end, Status).

%% The result of format_status/2, which older releases call.
-spec status() -> term().
status() ->
    hidden.
