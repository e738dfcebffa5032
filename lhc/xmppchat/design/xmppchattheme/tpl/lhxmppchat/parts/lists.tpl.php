<?php if (isset($overview->lists['operators'])) : ?>
<h4><?php echo $t('Operators')?></h4>
<table class="table table-sm" id="xc-operators" ng-non-bindable>
<thead><tr><th><?php echo $t('Username')?></th><th><?php echo $t('Name')?></th><th><?php echo $t('Now')?></th><th><?php echo $t('Departments')?></th><th><?php echo $t('Clients')?></th><th><?php echo $t('Chats')?></th></tr></thead>
<tbody>
<?php foreach ($overview->lists['operators'] as $row) : ?>
<tr><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'username'))?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'name'))?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::availability($row))?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'departments') ?: '*')?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::clients($row))?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::chats($row))?></td></tr>
<?php endforeach; ?>
</tbody>
</table>
<?php if (($overview->next['operators'] ?? '') !== '') : ?><p><a href="<?php echo $url('xmppchat/status')?>/(operators)/<?php echo $e(\XmppChat\Lhc\Admin\StatusPage::encoded($overview->next['operators']))?>"><?php echo $t('more')?></a></p><?php endif; ?>
<?php endif; ?>
<?php if (isset($overview->lists['visitors'])) : ?>
<h4><?php echo $t('Visitors who are online')?></h4>
<table class="table table-sm" id="xc-visitors" ng-non-bindable>
<thead><tr><th><?php echo $t('Key')?></th><th><?php echo $t('Name')?></th><th><?php echo $t('Page')?></th><th><?php echo $t('Country')?></th><th><?php echo $t('Chat')?></th><th><?php echo $t('Operator')?></th><th><?php echo $t('Shown in XMPP')?></th></tr></thead>
<tbody>
<?php foreach ($overview->lists['visitors'] as $row) : ?>
<tr><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'key'))?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'nick'))?></td><td style="word-break:break-all"><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'page'))?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'country'))?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'conversation'))?>&nbsp;<?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'chatId'))?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'operator'))?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'loggedIn'))?></td></tr>
<?php endforeach; ?>
</tbody>
</table>
<?php if (($overview->next['visitors'] ?? '') !== '') : ?><p><a href="<?php echo $url('xmppchat/status')?>/(visitors)/<?php echo $e(\XmppChat\Lhc\Admin\StatusPage::encoded($overview->next['visitors']))?>"><?php echo $t('more')?></a></p><?php endif; ?>
<?php endif; ?>
<?php if (isset($overview->lists['queue'])) : ?>
<h4><?php echo $t('Chats that nobody has answered')?></h4>
<table class="table table-sm" id="xc-queue" ng-non-bindable>
<thead><tr><th><?php echo $t('Place')?></th><th><?php echo $t('Chat')?></th><th><?php echo $t('Visitor')?></th><th><?php echo $t('Department')?></th><th><?php echo $t('Offered to')?></th></tr></thead>
<tbody>
<?php foreach ($overview->lists['queue'] as $row) : ?>
<tr><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'position'))?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'chatId'))?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'nick') ?: \XmppChat\Lhc\Admin\Overview::text($row, 'visitor'))?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'department'))?></td><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($row, 'offered'))?></td></tr>
<?php endforeach; ?>
</tbody>
</table>
<?php if (($overview->next['queue'] ?? '') !== '') : ?><p><a href="<?php echo $url('xmppchat/status')?>/(queue)/<?php echo $e(\XmppChat\Lhc\Admin\StatusPage::encoded($overview->next['queue']))?>"><?php echo $t('more')?></a></p><?php endif; ?>
<?php endif; ?>
