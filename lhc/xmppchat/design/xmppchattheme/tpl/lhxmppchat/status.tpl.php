<h1>XMPP chat</h1>
<?php $here = 'status'; ?>
<?php include(erLhcoreClassDesign::designtpl('lhxmppchat/parts/menu.tpl.php'));?>
<?php include(erLhcoreClassDesign::designtpl('lhxmppchat/parts/messages.tpl.php'));?>
<?php if ($overview !== null) : ?>
<?php if ($overview->away !== '') : ?>
<div role="alert" class="alert alert-warning p-2" id="xc-away" ng-non-bindable><?php echo $e($overview->away)?></div>
<?php endif; ?>
<table class="table table-sm" id="xc-health" ng-non-bindable>
<tbody>
<tr><th><?php echo $t('Link to the service')?></th><td><?php echo $link->isOpen() ? $t('interrupted since {time}: {reason}', ['time' => $time($link->openedAt), 'reason' => $link->reason]) : $t('in order')?></td></tr>
<tr><th><?php echo $t('Last sent')?></th><td><?php echo $time($link->sentAt)?></td></tr>
<tr><th><?php echo $t('Last callback')?></th><td><?php echo $time($link->heardAt)?></td></tr>
<tr><th><?php echo $t('Last cron job')?></th><td><?php echo $time($link->cronAt)?></td></tr>
</tbody>
</table>
<?php include(erLhcoreClassDesign::designtpl('lhxmppchat/parts/lists.tpl.php'));?>
<?php include(erLhcoreClassDesign::designtpl('lhxmppchat/parts/outbox.tpl.php'));?>
<?php endif; ?>
