%%% Whether an operator's client lives. Whatever it sends is a sign of life, not only its answers to pings: a client that
%%% fetches hundreds of vCards after its login answers late, and is not dead.
%%%
%%% Pure. The value lives in the state of ejabberd's session process. Times are milliseconds of the monotonic clock.

-module(mod_lhc_life).

-export([new/1, heard/2, judge/4]).

-type life() :: #{opened := integer(),
                  %% When the client last sent anything.
                  heard := integer(),
                  %% It was reported as silent, and has sent nothing since.
                  silent := boolean()}.

-export_type([life/0]).

-spec new(integer()) -> life().
new(Now) ->
    #{opened => Now, heard => Now, silent => false}.

%% The client has sent something. Returns whether that ends a silence which was reported.
-spec heard(integer(), life()) -> {boolean(), life()}.
heard(Now, #{silent := WasSilent} = Life) ->
    {WasSilent, Life#{heard := Now, silent := false}}.

%% A ping that was sent at Sent has no answer by now.
%%   alive  the client has sent something else since
%%   early  it is silent, but the session has just begun: that counts for nothing
%%   silent it gets no new chats
%%   dead   it has sent nothing for so long that nobody waits for it any more
-spec judge(integer(), integer(), #{ping_grace := integer(), silence_timeout := integer() | infinity, atom() => term()},
            life()) -> {alive | early | silent | dead, life()}.
judge(Sent, _Now, _Limits, #{heard := Heard} = Life) when Heard >= Sent ->
    {alive, Life};
judge(_Sent, Now, #{ping_grace := Grace}, #{opened := Opened} = Life) when Now - Opened < Grace ->
    {early, Life};
judge(_Sent, Now, #{silence_timeout := Limit}, #{heard := Heard} = Life) when Now - Heard >= Limit ->
    {dead, Life#{silent := true}};
judge(_Sent, _Now, _Limits, Life) ->
    {silent, Life#{silent := true}}.
